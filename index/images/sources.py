"""A picture as a caller has it -> the file's bytes, or a Pillow image, for `open_picture`.

A caller has a path, bytes, an open file, a Pillow image or a numpy array.
"""

import os
import re
from collections.abc import Iterable, Mapping, Set
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from unprompt.index.base.errors import UnreadableImageError, UnsupportedPictureError
from unprompt.index.images.pictures import DEFAULT_LIMITS, PictureLimits, read_picture


class BinaryFile(Protocol):
    """Anything open for reading bytes: a file, io.BytesIO, a member of a zip, a response."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes."""


PictureSource = (
    str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryFile | Image.Image | np.ndarray
)
URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/|data:")  # two letters at least: C:/ is a Windows drive
WANTED = (
    "wanted a path, the bytes of a picture file, a file opened with mode 'rb', a Pillow image or a "
    "numpy array"
)
CHANNELS = (
    "wanted (h, w), (h, w, 1) gray, (h, w, 2) gray and alpha, (h, w, 3) RGB or (h, w, 4) RGBA, "
    "of uint8, or of floats from 0 to 1"
)


def is_one_picture(source: object) -> bool:
    """Whether `source` is a single picture; False for a list, a generator or any other iterable.

    Raises UnsupportedPictureError for a value that is neither.
    """
    kinds = (str, os.PathLike, bytes, bytearray, memoryview, Image.Image, np.ndarray)
    if isinstance(source, kinds) or hasattr(source, "read"):
        return True
    if isinstance(source, Iterable) and not isinstance(source, Mapping | Set):
        return False
    raise UnsupportedPictureError(
        f"{WANTED}, or a list or an iterator of these; got {_kind(source)}"
    )


def read_source(
    source: object, place: int | None = None, limit: PictureLimits = DEFAULT_LIMITS
) -> tuple[str, bytes | Image.Image]:
    """One picture -> (its name in errors, the bytes of its file or a Pillow image).

    `place` is its position among several pictures. An open file is read from where it stands.
    Raises UnsupportedPictureError for a value that is no picture, UnreadableImageError for a file
    that cannot be read.
    """
    number = "" if place is None else f"at position {place} "
    if isinstance(source, Image.Image):
        return f"{number}given as a Pillow image", source
    if isinstance(source, np.ndarray):
        return f"{number}given as an array", _from_array(source, number)
    if isinstance(source, bytes | bytearray | memoryview):
        name = f"{number}given as bytes"
        return name, read_picture(bytes(source), name, limit)
    if isinstance(source, str | os.PathLike):
        path = os.fspath(source)
        if not isinstance(path, str):
            raise UnsupportedPictureError(
                f"the path of a picture {number}must be text, got {path!r}"
            )
        if URL.match(path):
            raise UnsupportedPictureError(
                f"the picture {number}{path[:200]!r} is a URL, and URLs are not fetched; download "
                "the picture and give its path or its bytes"
            )
        return path, read_picture(Path(path), path, limit)
    if hasattr(source, "read"):
        return _read_open_file(source, number, limit)
    raise UnsupportedPictureError(f"the picture {number}is {_kind(source)}; {WANTED}")


def _read_open_file(file: BinaryFile, number: str, limit: PictureLimits) -> tuple[str, bytes]:
    name = f"{number}given as an open file"
    try:
        content: object = file.read(limit.max_bytes + 1)
    except (OSError, ValueError) as error:  # ValueError: the file is closed, or is no text
        raise UnreadableImageError(f"cannot read the picture {name}: {error}") from error
    if not isinstance(content, bytes):
        raise UnsupportedPictureError(
            f"the picture {name} reads as {_kind(content)}; open the file with mode 'rb'"
        )
    return name, read_picture(content, name, limit)


def _from_array(array: np.ndarray, number: str) -> Image.Image:
    """(h, w) or (h, w, 1 to 4) of uint8, or of floats from 0 to 1 -> L, LA, RGB or RGBA."""
    given = f"the picture {number}is an array of {array.dtype} of shape {array.shape}"
    if array.ndim not in (2, 3) or array.size == 0 or (array.ndim == 3 and array.shape[2] > 4):
        raise UnsupportedPictureError(f"{given}; {CHANNELS}")
    if array.dtype.kind == "f":
        low, high = float(array.min()), float(array.max())
        if not (low >= 0.0 and high <= 1.0):
            raise UnsupportedPictureError(
                f"{given} with values from {low:g} to {high:g}; {CHANNELS}"
            )
        array = np.rint(array.astype(np.float64) * 255.0).astype(np.uint8)
    if array.dtype != np.uint8:
        raise UnsupportedPictureError(f"{given}; {CHANNELS}")
    return Image.fromarray(array[..., 0] if array.shape[2:] == (1,) else array)


def _kind(value: object) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
