"""Names and files of strangers -> bare names, and regular files that are opened without waiting.

A name in a manifest is data of whoever wrote it. It must stay in its folder, and what it names must
be a file: a pipe waits for ever, a device never ends.
"""

import os
import stat
from io import BufferedReader
from pathlib import Path, PurePosixPath

from unprompt.index.base.errors import DamagedFileError

MAX_NAME = 255  # characters of one name, the limit of most file systems
MAX_PARTS = 8  # folders deep
FORBIDDEN = frozenset('/\\:\x00<>|"?*')


def bare_name(name: str, origin: str) -> str:
    """`name` where it is the name of one file or folder; `origin` says who names it.

    Raises DamagedFileError for a path, a drive, a step upwards or control characters.
    """
    plain = 0 < len(name) <= MAX_NAME and name not in (".", "..") and name.isprintable()
    if not plain or FORBIDDEN & set(name) or not _encodes(name):
        raise DamagedFileError(
            f"{origin} names the file {name[:MAX_NAME]!r}, wanted a bare name without a folder; "
            "fetch it again from somewhere you trust"
        )
    return name


def relative_name(name: str, origin: str) -> PurePosixPath:
    """`name` where it is a path of bare names, such as `worlds/real/blend.json`.

    Raises DamagedFileError for any other.
    """
    parts = name.split("/")
    if len(parts) > MAX_PARTS:
        raise DamagedFileError(f"{origin} names {name[:MAX_NAME]!r}, more than {MAX_PARTS} deep")
    return PurePosixPath(*(bare_name(part, origin) for part in parts))


def check_inside(path: Path, folder: Path) -> None:
    """Raise DamagedFileError unless `path` is a regular file that lies in `folder`.

    Symbolic links may point to other files in the folder.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise DamagedFileError(f"{path} is missing or cannot be read: {_reason(error)}") from error
    if not stat.S_ISREG(mode):
        raise DamagedFileError(f"{path} is no regular file; fetch its folder again")
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
        raise DamagedFileError(
            f"{path} is a link out of {folder}; copy the folder with its files (`cp -rL`)"
        )


def open_regular(path: Path) -> BufferedReader:
    """Open a file to read its bytes.

    Raises FileNotFoundError where it is missing, DamagedFileError where it is a folder, a pipe, a
    socket or a device, and OSError where the system refuses.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise DamagedFileError(f"{path} is no regular file; fetch its folder again")
    return os.fdopen(handle, "rb")


def read_bounded(path: Path, most: int) -> bytes:
    """The bytes of a file; errors as `open_regular`, and DamagedFileError for more than `most`."""
    with open_regular(path) as handle:
        content = handle.read(most + 1)
    if len(content) > most:
        raise DamagedFileError(f"{path} has more than {most:,} bytes, the most that is read of it")
    return content


def _encodes(name: str) -> bool:
    try:
        return len(name.encode("utf-8")) <= MAX_NAME
    except UnicodeEncodeError:
        return False


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
