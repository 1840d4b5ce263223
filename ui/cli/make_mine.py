"""`unprompt make mine`: its arguments and options."""

from pathlib import Path
from typing import Annotated

import typer

from unprompt.ui.cli.make_options import (
    CaptionsArgument,
    ColumnOption,
    OutputFile,
    OverwriteOption,
    VectorsOption,
)
from unprompt.ui.cli.options import JsonOption


def make_mine(
    candidates: CaptionsArgument,
    output: OutputFile,
    run: Annotated[
        Path | None, typer.Option(help="A finished run, whose held-out answers are learnt from.")
    ] = None,
    cosines: Annotated[
        Path | None, typer.Option(help="Or a file with the columns prompt and cosine.")
    ] = None,
    split: Annotated[
        list[str] | None,
        typer.Option(help="validation, test or both; validation if left out. Repeatable."),
    ] = None,
    below: Annotated[
        float | None,
        typer.Option(help="Expected cosine; 0.4 if neither --share nor this is given."),
    ] = None,
    share: Annotated[
        float | None, typer.Option(help="Take this share of the candidates, the hardest.")
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", "-n", min=1, help="At most so many.")
    ] = None,
    reference: Annotated[
        list[Path] | None, typer.Option(help="Real prompts to stay near to. Repeatable.")
    ] = None,
    near: Annotated[float, typer.Option(help="Cosine to the nearest reference prompt.")] = 0.5,
    column: ColumnOption = None,
    reference_column: ColumnOption = None,
    vectors: VectorsOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Choose the candidates that the system so far would answer worst, to render them next.

    States how well the difficulty of prompts is predicted, on held-out ones.

    \b
    Examples:
      unprompt make mine candidates.txt --run runs/mine -o hard.parquet --share 0.2
      unprompt make mine more/*.txt --run runs/mine -o hard.parquet --reference real.csv
      unprompt make mine candidates.txt --cosines cosines.csv -o hard.txt --below 0.5 --count 1000
    """
    from unprompt.build.make.mine import BELOW, MineConfig
    from unprompt.ui.jobs.make.make import Destination, Source
    from unprompt.ui.jobs.make.mine import Known, run_mine

    limit = BELOW if below is None and share is None else below
    config = MineConfig(limit, share, count, near, tuple(split or ["validation"]))
    to = Destination(output, overwrite, as_json, vectors)
    near_to = Source(reference or [], reference_column)
    run_mine(Source(candidates, column), Known(run, cosines), near_to, config, to)
