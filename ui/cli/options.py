"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

BundleOption = Annotated[
    Path | None,
    typer.Option(
        "--bundle", "-b", help="Bundle folder; default: the starter bundle of the package."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
OutputRun = Annotated[
    Path | None, typer.Option("--output", "-o", help="Run folder; default: runs/NAME.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override one setting, e.g. --set corpus.count=5000. Repeatable."),
]
ConfigArgument = Annotated[str, typer.Argument(help="Name of a preset, or a YAML file.")]
ComposeOption = Annotated[
    bool,
    typer.Option("--compose/--no-compose", help="Compose a prompt, or return the best known one."),
]
BanOption = Annotated[
    list[str] | None,
    typer.Option("--ban", help="A term, a file with one term per line, or `artists`. Repeatable."),
]
# Of the commands that make prompts.
PromptsArgument = Annotated[
    list[Path], typer.Argument(help="Prompt files: .txt .csv .tsv .parquet .jsonl.")
]
OutputFile = Annotated[
    Path,
    typer.Option(
        "--output", "-o", help="File to write: x.parquet or x.jsonl with parents, or x.txt."
    ),
]
CountOption = Annotated[int, typer.Option("--count", "-n", min=1, help="Number of prompts.")]
SeedOption = Annotated[int, typer.Option(help="Seed; another one gives other prompts.")]
ColumnOption = Annotated[
    str | None, typer.Option(help="Column of the prompts, in csv, tsv, parquet and jsonl.")
]
TokensOption = Annotated[int, typer.Option(min=3, help="Maximum number of CLIP tokens.")]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace a file that other settings made.")
]
VectorsOption = Annotated[
    Path | None,
    typer.Option(help="Folder of encoded prompts; beside the output if left out."),
]
