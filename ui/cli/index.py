"""`unprompt index ...`: look into a prompt index, let it grow and shrink."""

from pathlib import Path
from typing import Annotated

import typer

from unprompt.ui.cli.options import JsonOption, SetOption

index_app = typer.Typer(
    name="index",
    help="Look into a prompt index, let it grow and shrink.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
FolderArgument = Annotated[Path, typer.Argument(help="An index, bundle or run folder.")]


@index_app.command("info")
def index_info(folder: FolderArgument, as_json: JsonOption = False) -> None:
    """Show what an index holds: rows, encoder, factory string, recall, files.

    \b
    Example:
      unprompt index info runs/scenes-tiny/bundle
    """
    from unprompt.ui.jobs.index_reports import show_index

    show_index(folder, as_json)


@index_app.command("verify")
def index_verify(folder: FolderArgument) -> None:
    """Hash every file and name the first that is damaged.

    \b
    Example:
      unprompt index verify runs/scenes-tiny/bundle
    """
    from unprompt.ui.jobs.index_reports import verify_index

    verify_index(folder)


@index_app.command("add")
def index_add(
    folder: FolderArgument,
    sources: Annotated[
        list[Path], typer.Argument(help="Indexes that keep their keys, or folders of embeddings.")
    ],
    keep_near: Annotated[
        bool,
        typer.Option("--keep-near", help="Also rows near to held-out prompts of the index' run."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Add rows of the same encoder; rows that are there already are skipped.

    Rows whose prompts come near to held-out prompts of the run are left out and listed.

    \b
    Examples:
      unprompt index add runs/big/bundle runs/new/bundle
      unprompt index add runs/big/bundle runs/new/embeddings/image
    """
    from unprompt.ui.jobs.index_changes import add_to_index

    add_to_index(folder, sources, keep_near, as_json)


@index_app.command("remove")
def index_remove(
    folder: FolderArgument,
    row_id: Annotated[list[int] | None, typer.Option(help="A row's id. Repeatable.")] = None,
    listed: Annotated[
        Path | None, typer.Option("--list", help="Ids, one a line, or parquet with row_id.")
    ] = None,
    containing: Annotated[
        str | None, typer.Option(help="Remove every row whose prompt contains this text.")
    ] = None,
    near_held_out: Annotated[
        bool,
        typer.Option("--near-held-out", help="Added rows near to held-out prompts."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove rows; `rebuild` also takes them out of the files.

    \b
    Examples:
      unprompt index remove runs/big/bundle --row-id 5934207 --row-id 77
      unprompt index remove runs/big/bundle --containing "greg rutkowski"
      unprompt index remove runs/big --near-held-out
    """
    from unprompt.ui.jobs.index_changes import Leaving, remove_from_index

    leaving = Leaving(row_id or [], listed, containing, near_held_out)
    remove_from_index(folder, leaving, as_json)


@index_app.command("merge")
def index_merge(
    folders: Annotated[list[Path], typer.Argument(help="Indexes, the first gives the training.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the merged index.")],
    as_json: JsonOption = False,
) -> None:
    """Merge indexes of one encoder into a new one.

    \b
    Example:
      unprompt index merge runs/a/bundle runs/b/bundle -o merged
    """
    from unprompt.ui.jobs.index_changes import merge_into

    merge_into(output, folders, as_json)


@index_app.command("rebuild")
def index_rebuild(
    folder: FolderArgument,
    settings: SetOption = None,
    queries: Annotated[
        Path | None,
        typer.Option(help="Embeddings whose validation rows measure recall."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Train and fill an index anew from its kept keys; removed rows leave the files.

    \b
    Examples:
      unprompt index rebuild runs/big/bundle --queries runs/big/embeddings/image
      unprompt index rebuild runs/big/bundle --set index.factory=HNSW32
    """
    from unprompt.ui.jobs.index_changes import rebuild

    rebuild(folder, settings or [], queries, as_json)


@index_app.command("export")
def index_export(
    folder: FolderArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="New folder.")],
) -> None:
    """Write keys and rows in clip-retrieval's layout, for its tools or for `source: embeddings`.

    \b
    Example:
      unprompt index export runs/big/bundle -o exported
    """
    from unprompt.ui.jobs.index_reports import export_rows

    export_rows(folder, output)
