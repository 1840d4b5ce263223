"""Parts of a sealed bundle -> copies of exactly the files that its seal covers.

What else lies in the folder stays there: a link in the bundle of a stranger could otherwise bring a
private file into a bundle that is passed on.
"""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from unprompt.index.bundle.bundle import read_bundle, sealed_files

Copy = Callable[[str, str], object]


def copy_parts(
    source: Path, parts: Sequence[str] | None, target: Path, copy: Copy = shutil.copy2
) -> None:
    """Copy files and folders `parts` of the bundle `source` into `target`; None copies all.

    A part that the bundle lacks is left out. `copy` makes one file of another. Raises
    DamagedFileError for a bundle that is not what was sealed.
    """
    for name in sealed_files(source, read_bundle(source)):
        path = PurePosixPath(name)
        if parts is None or any(path.is_relative_to(part) for part in parts):
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            copy(str(source / path), str(target / path))
