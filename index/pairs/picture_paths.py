"""The name of a picture in a table -> the file that it means, in the folder of the table.

Tables are written elsewhere: on Windows, or with the absolute paths of another machine.
"""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

DRIVE = re.compile(r"[A-Za-z]:/")
FILE_URL = "file://"
# Names of columns with the path of a picture, in any case.
PATH_COLUMNS = ("file_name", "path", "picture", "image_path", "image", "filename", "file", "img")


def locate(folder: Path, name: str) -> Path:
    """The file that `name` means, as seen from `folder`; it may not exist.

    Backslashes separate folders where no file has them in its name. Of an absolute path that is
    not there, the longest end that lies in `folder` is taken.
    """
    direct = folder / name
    if direct.is_file():
        return direct
    plain = name.removeprefix(FILE_URL).replace("\\", "/")
    path = folder / plain
    if path.is_file() or not _is_absolute(plain):
        return path if path.is_file() else _below_own_name(folder, plain) or path
    return next((found for found in _ends(folder, plain) if found.is_file()), path)


def path_columns(columns: list[str]) -> list[str]:
    """The columns that name a picture: `file_name` and the like, `x_file_name`; `path1`, `path2`.

    Where several kinds are there, those of the first kind in PATH_COLUMNS.
    """
    low = {column.strip().lower(): column for column in reversed(columns)}
    for name in PATH_COLUMNS:
        if name in low:
            return [low[name]]
        several = [
            column
            for column in columns
            if re.fullmatch(rf"{name}_?\d+|\w+_{name}", column.strip().lower())
        ]
        if several:
            return several
    return []


def _is_absolute(name: str) -> bool:
    return name.startswith("/") or DRIVE.match(name) is not None


def _ends(folder: Path, name: str) -> Iterator[Path]:
    """`folder` and the last parts of a path, as many as possible first."""
    parts = [part for part in PurePosixPath(name).parts if part not in ("/", "..")]
    for first in range(1, len(parts)):
        yield folder.joinpath(*parts[first:])
    if parts:
        yield folder / parts[-1]


def _below_own_name(folder: Path, name: str) -> Path | None:
    """The file where `name` begins with the name of `folder` itself, as seen from above it."""
    head, _, rest = name.removeprefix("./").partition("/")
    found = folder / rest
    return found if rest and head == folder.resolve().name and found.is_file() else None
