"""`unprompt make bank`: its arguments and options."""

from pathlib import Path
from typing import Annotated

import typer

from unprompt.ui.cli.options import (
    ColumnOption,
    CountOption,
    JsonOption,
    OutputFile,
    OverwriteOption,
    SeedOption,
    VectorsOption,
)


def make_bank(
    output: OutputFile,
    count: CountOption = 20_000,
    seed: SeedOption = 0,
    like: Annotated[
        list[Path] | None,
        typer.Option(help="File of prompts that the bank should be near to. Repeatable."),
    ] = None,
    drawn: Annotated[
        int | None,
        typer.Option(
            help="Prompts to choose from; a quarter more than --count, with --like six times."
        ),
    ] = None,
    threshold: Annotated[
        float, typer.Option(help="Cosine that no two prompts of the bank reach.")
    ] = 0.8,
    column: ColumnOption = None,
    vectors: VectorsOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make a bank of prompts as people write them for image generators.

    A grammar of subjects, media, styles and forms draws the prompts. Near-duplicates are dropped.
    With --like, those are kept that are nearest to your prompts.

    \b
    Examples:
      unprompt make bank -o bank.parquet --count 20000
      unprompt make bank -o bank.parquet --like prompts.txt --drawn 150000
    """
    from unprompt.build.make.bank.bank import BankConfig
    from unprompt.ui.jobs.make.bank import run_bank
    from unprompt.ui.jobs.make.make import Destination, PromptSource

    config = BankConfig(count, seed, drawn, threshold)
    to = Destination(output, overwrite, as_json, vectors)
    run_bank(PromptSource(like or [], column), config, to)
