"""`unprompt rerender`: a run and the key of a row -> its picture drawn again, and compared."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unprompt.index.base.errors import UnpromptError
from unprompt.index.texts.json_text import json_text
from unprompt.ui.cli.options import JsonOption

if TYPE_CHECKING:
    from unprompt.build.pictures.rerender import Rerendered


def rerender(
    run: Annotated[Path, typer.Argument(help="A run folder, or a folder of image shards.")],
    key: Annotated[str, typer.Argument(help="Key of the row in the images table.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Picture file to write.")
    ] = None,
    tolerance: Annotated[
        int, typer.Option(help="Allowed difference of a pixel, in levels of 255.", min=0, max=255)
    ] = 2,
    device: Annotated[
        str, typer.Option(help="Device of a diffusion pipeline: auto, cpu, cuda:1.")
    ] = "auto",
    as_json: JsonOption = False,
) -> None:
    """Render one row again from its recorded settings, and compare it with the stored picture.

    Exits with 1 where the pictures differ by more than the tolerance.

    \b
    Examples:
      unprompt rerender runs/mine 000030017 -o picture.png
      unprompt rerender runs/mine 000030017 --json
    """
    from unprompt.build.pictures.rerender import rerender as draw_again
    from unprompt.index.base.owner import owned

    with owned(output):
        found = draw_again(run, key, device)
        if output is not None:
            found.save(output)
    report = {
        "key": key,
        "prompt": found.row["prompt"],
        "seed": found.row["seed"],
        "same_file": found.same_file,
        "largest_difference": found.largest,
        "mean_difference": found.mean,
    }
    print(json_text(report) if as_json else f"{key}: {_outcome(found)}")
    if found.largest is not None and found.largest > tolerance:
        raise UnpromptError(
            f"row {key} differs from the stored picture by up to {found.largest} of 255 levels, "
            f"{found.mean:.3g} on average; use the device, library versions and number of threads "
            "that rendered it, or raise --tolerance"
        )


def _outcome(found: "Rerendered") -> str:
    if found.same_file:
        return "the same file"
    if found.largest is None:
        return "rendered again; there is no stored picture to compare with"
    return f"differs by at most {found.largest} of 255 levels, {found.mean:.3g} on average"
