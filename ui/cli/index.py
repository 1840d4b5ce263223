"""`unprompt index ...`: the commands that inspect and change a prompt index."""

from pathlib import Path
from typing import Annotated

import typer

from unprompt.ui.cli.options import ColumnOption, JsonOption, PromptsArgument, SetOption

index_app = typer.Typer(
    name="index",
    help="Inspect and change a prompt index.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
FolderArgument = Annotated[Path, typer.Argument(help="An index, bundle or run folder.")]


@index_app.command("info")
def index_info(folder: FolderArgument, as_json: JsonOption = False) -> None:
    """Show the rows, encoder, factory string, recall and files of an index.

    \b
    Example:
      unprompt index info runs/scenes-tiny/bundle
    """
    from unprompt.ui.jobs.index_reports import show_index

    show_index(folder, as_json)


@index_app.command("prompts")
def index_prompts(
    prompts: PromptsArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")],
    factory: Annotated[
        str, typer.Option(help="FAISS factory string: SQ8, SQ6 or SQ4 for 8, 6 or 4 bits a number.")
    ] = "SQ8",
    phrases: Annotated[int, typer.Option(help="Number of phrases to compose prompts of.")] = 3000,
    least_uses: Annotated[
        int, typer.Option(help="Minimum number of prompts with the same phrase.")
    ] = 3,
    column: ColumnOption = None,
    as_json: JsonOption = False,
) -> None:
    """Index prompts by their own vectors, without pictures: a bank to search with a head.

    The folder holds index/ and phrases/ as a bundle does. Every vector is stored once, as codes.

    \b
    Examples:
      unprompt index prompts bank.parquet -o bank/
      unprompt index prompts bank.parquet -o small/ --factory SQ4
    """
    from unprompt.ui.jobs.index_prompts import PromptIndexSettings, index_prompt_files
    from unprompt.ui.jobs.make.make import PromptSource

    settings = PromptIndexSettings(factory, phrases, least_uses)
    index_prompt_files(PromptSource(prompts, column), output, settings, as_json)


@index_app.command("verify")
def index_verify(folder: FolderArgument) -> None:
    """Hash every file; report the first damaged one.

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
        list[Path], typer.Argument(help="Indexes with stored keys, or folders of embeddings.")
    ],
    keep_near: Annotated[
        bool,
        typer.Option("--keep-near", help="Also add rows near to held-out prompts of the run."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Add rows of the same encoder; existing rows are skipped.

    Rows whose prompts are near to held-out prompts of the run are left out and listed.

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
    row_id: Annotated[list[int] | None, typer.Option(help="Id of a row. Repeatable.")] = None,
    listed: Annotated[
        Path | None,
        typer.Option("--list", help="File of ids, one per line, or parquet with row_id."),
    ] = None,
    containing: Annotated[
        str | None, typer.Option(help="Remove rows whose prompt contains this text.")
    ] = None,
    near_held_out: Annotated[
        bool,
        typer.Option("--near-held-out", help="Remove added rows near to held-out prompts."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove rows from search; `rebuild` also removes them from the files.

    \b
    Examples:
      unprompt index remove runs/big/bundle --row-id 5934207 --row-id 77
      unprompt index remove runs/big/bundle --containing "greg rutkowski"
      unprompt index remove runs/big --near-held-out
    """
    from unprompt.ui.jobs.index_changes import RowSelection, remove_from_index

    selection = RowSelection(row_id or [], listed, containing, near_held_out)
    remove_from_index(folder, selection, as_json)


@index_app.command("merge")
def index_merge(
    folders: Annotated[
        list[Path], typer.Argument(help="Indexes; the first one is extended by the others.")
    ],
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
        typer.Option(help="Folder of embeddings; its validation rows measure recall."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Train and fill an index again from its stored keys, without removed rows.

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
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")],
) -> None:
    """Write keys and rows in the layout of clip-retrieval, also read by `source: embeddings`.

    \b
    Example:
      unprompt index export runs/big/bundle -o exported
    """
    from unprompt.ui.jobs.index_reports import export_rows

    export_rows(folder, output)
