"""`unprompt seal`: its arguments."""

from pathlib import Path
from typing import Annotated

import typer


def seal(
    bundle: Annotated[Path, typer.Argument(help="Folder of a bundle that you trust.")],
) -> None:
    """Record the digests of all files of a bundle again, after you changed one of them.

    Every file of a bundle is compared with its record when the bundle is loaded. The files of its
    indexes must match the manifests of the indexes: `unprompt index` changes both.

    \b
    Example:
      unprompt seal runs/mine/bundle
    """
    from unprompt.ui.jobs.seal import seal_folder

    seal_folder(bundle)
