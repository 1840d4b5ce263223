"""A unit of a collection with finished pictures -> PAIRS rows, and encoded pictures by row."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from unprompt.build.corpus.sources.collection import CollectionConfig
from unprompt.index.base.errors import UnreadableImageError
from unprompt.index.formats.tally import Tally
from unprompt.index.images.pictures import DEFAULT_LIMITS

PAIRS = pl.Schema(
    {
        "prompt": pl.String,
        "picture": pl.String,  # name in the unit
        "offset": pl.Int64,  # of the bytes in a tar, or the row in a table
        "size": pl.Int64,  # in bytes, in a tar
        "seed": pl.UInt64,
        "generator": pl.String,
        "settings": pl.String,  # JSON
        "fault": pl.String,  # why there is no picture; null if there is one
    }
)
UNKNOWN = "unknown"

# Yields PAIRS frames, with the scores that the settings need.
ListPairs = Callable[[Path, CollectionConfig, Tally], Iterator[pl.DataFrame]]
# A PAIRS row -> the encoded picture; raises UnpromptError if it cannot be read.
Fetch = Callable[[Mapping[str, Any]], bytes]
OpenUnit = Callable[[Path, CollectionConfig], AbstractContextManager[Fetch]]


@dataclass(frozen=True)
class PairReader:
    """How to list the pairs of a unit and to open its pictures."""

    rows: ListPairs
    open: OpenUnit
    find: Callable[[Path], list[Path]] | None = None  # units with pictures, if not all have some


def pairs_frame(rows: pl.DataFrame) -> pl.DataFrame:
    """Fill the missing columns of PAIRS with defaults; further columns, such as scores, stay."""
    defaults = {"seed": 0, "generator": UNKNOWN, "settings": "{}"}
    missing = [
        pl.lit(defaults.get(name), kind).alias(name)
        for name, kind in PAIRS.items()
        if name not in rows.columns
    ]
    extra = [name for name in rows.columns if name not in PAIRS]
    return rows.with_columns(missing).select(
        *(pl.col(name).cast(kind) for name, kind in PAIRS.items()), *extra
    )


def read_picture_file(path: Path) -> bytes:
    """The bytes of a picture file; raises UnreadableImageError if it is missing or too large."""
    try:
        if path.stat().st_size > DEFAULT_LIMITS.max_bytes:
            raise too_large(str(path))
        return path.read_bytes()
    except OSError as error:
        raise UnreadableImageError(f"cannot read {path}: {error.strerror or error}") from error


def too_large(name: str) -> UnreadableImageError:
    """The error for a picture that is over the size limit."""
    return UnreadableImageError(
        f"cannot read {name}: it is larger than {DEFAULT_LIMITS.max_bytes / 2**20:g} MiB"
    )
