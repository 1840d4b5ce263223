"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

BundleOption = Annotated[
    Path | None,
    typer.Option(
        "--bundle", "-b", help="Bundle folder; the starter that ships with unprompt if left out."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
OutputRun = Annotated[
    Path | None, typer.Option("--output", "-o", help="Run folder; runs/NAME if left out.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override one setting, e.g. --set corpus.count=5000. Repeatable."),
]
ConfigArgument = Annotated[str, typer.Argument(help="A preset's name, or a YAML file.")]
ComposeOption = Annotated[
    bool,
    typer.Option("--compose/--no-compose", help="Compose a prompt, or give the best known one."),
]
BanOption = Annotated[
    list[str] | None,
    typer.Option("--ban", help="A term, a file with a term a line, or `artists`. Repeatable."),
]
