"""`unprompt make kinds`: its arguments and options."""

from pathlib import Path
from typing import Annotated

import typer

from unprompt.ui.cli.options import JsonOption, OverwriteOption, SeedOption


def make_kinds(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")],
    count: Annotated[
        int, typer.Option("--count", "-n", min=1, help="Pictures of each kind.")
    ] = 200,
    seed: SeedOption = 0,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            help="noise, blank, gradient, screenshot, chart, line drawing, pattern or map; "
            "all if left out. Repeatable."
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Draw pictures that no image generator made, with captions, to calibrate trust on.

    Writes webdataset tars and a table of captions, as `unprompt eval --pairs` reads them.

    \b
    Examples:
      unprompt make kinds -o kinds
      unprompt make kinds -o screens --kind screenshot --kind chart --count 1000 --seed 7
      unprompt eval --pairs kinds
    """
    from unprompt.build.kinds.config import KindsConfig
    from unprompt.build.kinds.kinds import KINDS
    from unprompt.ui.jobs.make.kinds import run_kinds

    config = KindsConfig(count, seed, tuple(kind or KINDS))
    run_kinds(output, config, overwrite, as_json)
