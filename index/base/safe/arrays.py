"""An .npy file of a stranger -> its array, whose header fits the bytes that are there.

numpy evaluates the header as Python, and makes room for whatever shape it says.
"""

import math
import os
import re
from collections.abc import Collection
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np

from unprompt.index.base.errors import DamagedFileError
from unprompt.index.base.safe.plain_files import open_regular

MAGIC, MAX_HEADER = b"\x93NUMPY", 4096
HEADER = re.compile(
    rb"\{'descr': '([<>|=][a-zA-Z]\d{1,2})', 'fortran_order': (False|True), "
    rb"'shape': \((\d{1,15}(?:, \d{1,15}){0,7})?,?\), \}[ \n]*"
)
FLOATS = ("<f2", "<f4", "<f8")
BLOCK = 2**23  # numbers that are looked at at a time
INFINITE = 0x7C00  # bits of a float16, without its sign, from which it is no finite number


def map_array(
    path: Path, ranks: Collection[int], kinds: Collection[str] = FLOATS, remedy: str = ""
) -> np.ndarray:
    """Map an .npy file of numbers of one of `kinds`, with as many dimensions as one of `ranks`.

    Raises DamagedFileError for any other file.
    """
    try:
        with open_regular(path) as handle:
            kind, fortran, shape = _read_header(handle)
            if kind not in kinds or len(shape) not in ranks:
                raise ValueError(
                    f"it has the shape {shape} of {kind}, wanted {' or '.join(map(str, ranks))} "
                    f"dimensions of {', '.join(kinds)}"
                )
            dtype, start = np.dtype(kind), handle.tell()
            found = os.fstat(handle.fileno()).st_size - start
            wanted = math.prod(shape) * dtype.itemsize
            if found != wanted:
                raise ValueError(f"its shape {shape} takes {wanted} bytes, it has {found}")
            if not wanted:
                return np.empty(shape, dtype)
            order: Any = "F" if fortran else "C"
            return np.memmap(handle, dtype, "r", start, shape, order)
    except (OSError, ValueError) as error:
        raise DamagedFileError(f"{path} is no readable npy file: {error}. {remedy}") from error


def load_array(
    path: Path, ranks: Collection[int], kinds: Collection[str] = FLOATS, remedy: str = ""
) -> np.ndarray:
    """As `map_array`, in memory, of finite numbers."""
    array = np.array(map_array(path, ranks, kinds, remedy))
    check_finite(array, path, remedy)
    return array


def check_finite(array: np.ndarray, path: Path, remedy: str = "") -> None:
    """Raise DamagedFileError naming the first row of an array (n, ...) that is not finite."""
    if array.dtype.kind != "f":
        return
    rows = max(1, BLOCK // max(1, math.prod(array.shape[1:])))
    for start in range(0, len(array), rows):
        block = array[start : start + rows]
        if array.dtype == np.float16:
            bits = np.ascontiguousarray(block).view(np.uint16) & 0x7FFF
            fine = not bits.size or int(bits.max()) < INFINITE
        else:
            fine = bool(np.isfinite(block).all())
        if not fine:
            wrong = ~np.isfinite(block.astype(np.float32).reshape(len(block), -1)).all(axis=1)
            raise DamagedFileError(
                f"{path} holds numbers that are not finite, first in row "
                f"{start + int(np.argmax(wrong))}. {remedy}"
            )


def _read_header(handle: BufferedReader) -> tuple[str, bool, tuple[int, ...]]:
    """Kind of numbers, whether columns come first, and shape; the file is then at its numbers."""
    start = handle.read(8)
    if start[:6] != MAGIC or start[6:7] not in b"\x01\x02\x03" or len(start) < 8:
        raise ValueError("it does not start as one")
    length = int.from_bytes(handle.read(2 if start[6] == 1 else 4), "little")
    if length > MAX_HEADER:
        raise ValueError(f"its header has {length} bytes")
    match = HEADER.fullmatch(handle.read(length))
    if match is None:
        raise ValueError("its header cannot be read")
    kind, fortran, shape = match.groups()
    sides = tuple(int(side) for side in shape.split(b", ")) if shape else ()
    return kind.decode("ascii"), fortran == b"True", sides
