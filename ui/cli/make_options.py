"""Options that the commands under `unprompt make` share."""

from pathlib import Path
from typing import Annotated

import typer

OutputFile = Annotated[
    Path,
    typer.Option("--output", "-o", help="x.parquet or x.jsonl with parents, or x.txt."),
]
CountOption = Annotated[int, typer.Option("--count", "-n", min=1, help="Prompts to make.")]
SeedOption = Annotated[int, typer.Option(help="Another seed draws others.")]
ColumnOption = Annotated[
    str | None, typer.Option(help="Column of the prompts, in csv, tsv, parquet and jsonl.")
]
TokensOption = Annotated[int, typer.Option(min=3, help="CLIP tokens a prompt may have.")]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace what other settings made.")
]
VectorsOption = Annotated[
    Path | None,
    typer.Option(help="Folder to keep encoded prompts in; beside the output if left out."),
]
CaptionsArgument = Annotated[
    list[Path], typer.Argument(help="Prompt files: .txt .csv .tsv .parquet .jsonl.")
]
