"""The command `unprompt`, and `python -m unprompt`; Ctrl-C is obeyed from the first import on."""

from unprompt.index.base.processes.stopping import run_obeying


def main() -> None:
    """Run the command."""
    run_obeying(_run)


def _run() -> None:
    from unprompt.ui.cli.main import main as run_command

    run_command()


if __name__ == "__main__":
    main()
