"""The command `unprompt sources`: its arguments and options."""

from typing import Annotated

import typer

from unprompt.ui.cli.options import JsonOption


def sources(
    kind: Annotated[
        str | None, typer.Argument(help="Kind of the collection. Without it, all kinds are listed.")
    ] = None,
    path: Annotated[str | None, typer.Argument(help="File or folder of the collection.")] = None,
    head: Annotated[int, typer.Option(help="Number of prompts to show.", min=0)] = 5,
    rows: Annotated[
        int,
        typer.Option(help="Number of rows to read and count; 0 reads the whole collection.", min=0),
    ] = 100_000,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="A setting of the collection, e.g. min_similarity=0.3. Repeatable."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the kinds of collections for a corpus, explain one kind, or preview a collection.

    \b
    Examples:
      unprompt sources
      unprompt sources coyo
      unprompt sources coco annotations/captions_train2017.json --head 10
      unprompt sources coyo coyo-700m/data --set min_similarity=0.3 --rows 0 --json
    """
    from unprompt.ui.jobs.sources import explain_kind, list_kinds, preview

    if kind is None:
        list_kinds(as_json)
    elif path is None and not settings:
        explain_kind(kind, as_json)
    else:
        preview(kind, path, settings or [], (head, rows), as_json)
