"""A FAISS factory string, row count and dimension -> bytes of the index, on disk and loaded.

Nothing is built: the sizes follow from how FAISS stores rows, lists and graphs. The string is what
`index.factory` holds.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

from unprompt.index.base.errors import ConfigError

FLOAT, ID = 4, 8
HEADER = 160  # names, counts and flags of the parts
BLOCK = 32  # rows that fast-scan codes are padded to
KNOWN = (
    "PCA64, PCAR64, PCAW64, OPQ16, OPQ16_64, RR64, L2norm in front; Flat, SQ8, SQ6, SQ4, SQfp16, "
    "SQbf16, SQ8_direct, PQ16, PQ16x4, PQ16x4fs, RaBitQ, RaBitQfs, alone or after IVF1024 or "
    "IVF1024_HNSW32; HNSW32, HNSW32_SQ8; RFlat or Refine(SQ8) at the end"
)
SCALAR_BITS = {"SQ8": 8, "SQ6": 6, "SQ4": 4, "SQ8_direct": 8, "SQfp16": 16, "SQbf16": 16}
TRAINED_SCALARS = ("SQ8", "SQ6", "SQ4")  # a range a dimension is kept


UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def read_bytes(amount: int | str, name: str) -> int:
    """`4G`, `512M` or a number of bytes -> bytes; raises ConfigError naming the setting."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", str(amount).strip(), re.I)
    found = round(float(match[1]) * UNITS[match[2].upper()]) if match else 0
    if found < 1:
        raise ConfigError(f"{name} must be bytes or an amount like 4G or 512M, got {amount!r}")
    return found


def show_bytes(count: int) -> str:
    """A number of bytes for people, in the units of `read_bytes`."""
    unit = next((unit for unit in "TGM" if count >= UNITS[unit]), "K")
    return f"{count / UNITS[unit]:.3g}{unit}"


@dataclass(frozen=True)
class IndexSize:
    """What an index of so many rows takes."""

    file_bytes: int  # index.faiss
    memory_bytes: int  # loaded by a query; the target vectors stay on disk


class Code(NamedTuple):
    """How one row is stored."""

    row_bytes: int
    fixed_bytes: int = 0  # of the whole index: codebooks, ranges
    block: int = 1  # rows are padded to a multiple of it


def index_size(factory: str, rows: int, dim: int) -> IndexSize:
    """The size of an index of `rows` keys of `dim` numbers.

    Raises ConfigError for a factory string whose parts are not known here.
    """
    parts = re.split(r",(?![^()]*\))", factory.strip())
    size, given = HEADER, dim
    while parts and (found := _transform(parts[0], dim)) is not None:
        added, dim = found
        size += added
        parts = parts[1:]
    if len(parts) > 1 and (refined := _refinement(parts[-1], given)) is not None:
        size += _stored(refined, rows)
        parts = parts[:-1]
    size += _container(parts, rows, dim, factory)
    return IndexSize(size, size)


def _transform(part: str, dim: int) -> tuple[int, int] | None:
    """(bytes, dimension after it) of a vector transform, None for anything else."""
    if part == "L2norm":
        return 0, dim
    if match := re.fullmatch(r"PCA(W?)R?(\d+)", part):
        kept = int(match[2])
        directions = 0 if match[1] else dim * dim  # `write_index` clears them from a whitening
        return FLOAT * (kept * dim + kept + 2 * dim + directions), kept
    if match := re.fullmatch(r"OPQ\d+(?:_(\d+))?|RR(\d+)", part):
        kept = int(match[1] or match[2] or dim)
        return FLOAT * kept * dim, kept
    return None


def _refinement(part: str, dim: int) -> Code | None:
    if part == "RFlat":
        return _code("Flat", dim)
    match = re.fullmatch(r"Refine\((.+)\)", part)
    return _code(match[1], dim) if match else None


def _container(parts: list[str], rows: int, dim: int, factory: str) -> int:
    first = parts[0] if parts else ""
    lists = re.fullmatch(r"IVF(\d+)(?:_HNSW(\d+)|\(HNSW(\d+)(?:,Flat)?\))?", first)
    graph = re.fullmatch(r"HNSW(\d*)(?:_(.+))?", first)
    if lists and len(parts) == 2 and (code := _code(parts[1], dim)) is not None:
        links = lists[2] or lists[3]
        return _inverted_lists(code, rows, dim, int(lists[1]), int(links) if links else None)
    if graph and len(parts) <= (1 if graph[2] else 2):
        code = _code(graph[2] or (parts[1] if len(parts) == 2 else "Flat"), dim)
        if code is not None:
            return _stored(code, rows) + _graph(rows, int(graph[1] or 32))
    if len(parts) == 1 and (code := _code(first, dim)) is not None:
        return _stored(code, rows)
    raise ConfigError(f"no size is known for the factory string {factory!r}; known are {KNOWN}")


def _inverted_lists(code: Code, rows: int, dim: int, lists: int, links: int | None) -> int:
    """Rows with their ids, padded list by list, and the centroids."""
    padding = lists * (code.block // 2) * code.row_bytes
    coarse = lists * FLOAT * dim + (_graph(lists, links) if links else 0)
    return rows * (code.row_bytes + ID) + padding + code.fixed_bytes + coarse + lists * ID


def _graph(rows: int, links: int) -> int:
    """Level, offset and links of every row; a share of 1/links of the rows has a level more."""
    return round(rows * (FLOAT + ID + FLOAT * (2 * links + links / (links - 1))))


def _stored(code: Code, rows: int) -> int:
    padded = -(-rows // code.block) * code.block
    return padded * code.row_bytes + code.fixed_bytes


def _code(name: str, dim: int) -> Code | None:
    if name == "Flat":
        return Code(FLOAT * dim)
    if name in SCALAR_BITS:
        ranges = 2 * FLOAT * dim if name in TRAINED_SCALARS else 0
        return Code(-(-SCALAR_BITS[name] * dim // 8), ranges)
    if name in ("RaBitQ", "RaBitQfs"):  # a bit a number, and two factors
        return Code(-(-dim // 8) + 2 * FLOAT, FLOAT * dim, BLOCK if name == "RaBitQfs" else 1)
    if match := re.fullmatch(r"PQ(\d+)(?:x(\d+))?(fsr?|np)?", name):
        pieces, bits = int(match[1]), int(match[2] or 8)
        fast = (match[3] or "").startswith("fs")
        if fast and bits != 4:
            return None
        codebook = FLOAT * dim * 2**bits
        return Code(-(-pieces * bits // 8), codebook, BLOCK if fast else 1)
    return None
