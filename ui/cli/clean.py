"""The command `unprompt clean`: its arguments and options."""

from pathlib import Path
from typing import Annotated

import typer

from unprompt.ui.cli.options import JsonOption


def clean(
    paths: Annotated[list[Path], typer.Argument(help="Prompt files: txt, csv, parquet, jsonl.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The .parquet file to write.")],
    column: Annotated[
        str | None,
        typer.Option(help="The column that holds the prompts. Default: prompt, caption or text."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting of `clean`, `duplicates` or `folds`. Repeatable."),
    ] = None,
    examples: Annotated[
        int,
        typer.Option(min=0, max=20, help="Number of changed or dropped prompts to show per rule."),
    ] = 0,
    as_json: JsonOption = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace an output that other settings or files made."),
    ] = False,
) -> None:
    """Clean and de-duplicate prompt files, and count what each rule changed or dropped.

    Further files beside the output hold the duplicates (each dropped prompt and the prompt that it
    duplicates), examples per rule, and the report. The same command continues a killed run.

    \b
    Examples:
      unprompt clean prompts.csv -o cleaned.parquet
      unprompt clean *.parquet -o cleaned.parquet --set clean.preset=stable-diffusion
      unprompt clean prompts.txt -o cleaned.parquet --set duplicates.cosine=0.9 --json
      unprompt clean prompts.txt -o cleaned.parquet --set duplicates.cosine=null --examples 3
      unprompt clean prompts.txt -o folds.parquet --set folds.count=10 --set folds.threshold=0.7
    """
    from unprompt.ui.jobs.clean import CleanRequest, run_clean

    run_clean(
        CleanRequest(tuple(paths), output, column, tuple(settings or ()), examples),
        as_json,
        overwrite,
    )
