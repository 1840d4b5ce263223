"""`unprompt join`: its options."""

from pathlib import Path
from typing import Annotated

import typer

from unprompt.ui.cli.options import JsonOption


def join(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Bundle folder to write; new or empty.")
    ],
    world: Annotated[
        list[str],
        typer.Option(
            help="NAME=BUNDLE: a finished bundle, and the name of its world. Repeatable; the first "
            "lies at the root."
        ),
    ],
    pairs: Annotated[
        list[str],
        typer.Option(
            help="NAME=PAIRS: pictures of that world with prompts: webdataset tars, as in a run's "
            "images/, a table, or pictures with .txt. One for each world."
        ),
    ],
    kinds: Annotated[
        list[Path] | None,
        typer.Option(
            help="Pictures with captions that belong to no world, by a column `kind` or by the "
            "folder's name, as `unprompt make kinds` writes them. Repeatable."
        ),
    ] = None,
    limit: Annotated[
        int,
        typer.Option(
            min=8, help="Maximum number of pictures of a world or kind, spread over its sources."
        ),
    ] = 2000,
    cache: Annotated[
        Path | None,
        typer.Option(help="Folder that keeps the pictures' keys for another join."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Join finished bundles as worlds of one bundle; a router says which of them answers.

    The router is fitted on labelled pictures of all worlds, and on kinds of pictures that belong to
    none. Its figures are of pictures left out: whole sources where the pairs name them, else whole
    prompts. A world was trained on its pairs, so a file validation.npz in its bundle takes the
    place of its own answers to them. A killed join goes on with the same command.

    \b
    Examples:
      unprompt join -o both --world scenes=a --world real=b --pairs scenes=s/ --pairs real=r/
      unprompt join -o both --world scenes=a --world real=b --pairs scenes=s/ --pairs real=r/ \\
          --kinds kinds/ --limit 1000 --cache keys/ --json
    """
    from unprompt.ui.jobs.join_bundles import JoinRequest, read_named, run_join

    bundles, labelled = read_named(world, "--world"), read_named(pairs, "--pairs")
    ordered = {name: labelled.pop(name) for name in bundles if name in labelled}
    run_join(
        JoinRequest(bundles, {**ordered, **labelled}, kinds or [], limit), output, cache, as_json
    )
