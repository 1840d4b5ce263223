"""`python -m unprompt`: the same as the command `unprompt`."""

from unprompt.ui.cli.main import main

if __name__ == "__main__":
    main()
