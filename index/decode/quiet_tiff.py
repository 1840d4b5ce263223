"""libtiff as Pillow brings it -> the same library, which prints nothing on stderr.

libtiff prints a line for every fault that it meets, without the name of the file. Pillow raises an
error all the same, and the caller names the file.
"""

import ctypes
import sys
from functools import cache
from pathlib import Path

import PIL

_HANDLERS = ("TIFFSetErrorHandler", "TIFFSetWarningHandler")


@cache
def silence_libtiff() -> bool:
    """Take away libtiff's handlers of messages; False where its library cannot be found."""
    for path in _libraries():
        try:
            library = ctypes.CDLL(str(path))
            for name in _HANDLERS:
                handler = getattr(library, name)
                handler.restype, handler.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
                handler(None)
        except (OSError, AttributeError):
            continue
        return True
    return False


def _libraries() -> list[Path]:
    """The shared libraries that a wheel of Pillow holds, or those that the process has mapped."""
    package = Path(PIL.__file__).parent
    folders = (package.parent / "pillow.libs", package / ".dylibs", package.parent / "Pillow.libs")
    found = [path for folder in folders if folder.is_dir() for path in folder.glob("*libtiff*")]
    if not found and sys.platform == "linux":
        lines = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
        found = [Path(line.split()[-1]) for line in lines if "libtiff" in line]
    return found
