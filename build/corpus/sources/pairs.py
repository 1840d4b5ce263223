"""Finished pictures and their prompts: a unit of a collection -> PAIRS rows, and bytes by row."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from unprompt.build.corpus.formats.tally import Tally
from unprompt.build.corpus.sources.collection import CollectionConfig
from unprompt.index.base.errors import UnreadableImageError
from unprompt.index.images.pictures import DEFAULT_LIMITS

PAIRS = pl.Schema(
    {
        "prompt": pl.String,
        "picture": pl.String,  # its name in the unit
        "offset": pl.Int64,  # of its bytes in a tar, or its row in a table
        "size": pl.Int64,  # of its bytes in a tar
        "seed": pl.UInt64,
        "generator": pl.String,
        "settings": pl.String,  # JSON
        "fault": pl.String,  # why there is no picture; null where there is one
    }
)
UNKNOWN = "unknown"

# PAIRS frames, with the scores that the settings ask for.
ListPairs = Callable[[Path, CollectionConfig, Tally], Iterator[pl.DataFrame]]
# One row's encoded picture; raises UnpromptError where it cannot be read.
Fetch = Callable[[Mapping[str, Any]], bytes]
OpenUnit = Callable[[Path, CollectionConfig], AbstractContextManager[Fetch]]


@dataclass(frozen=True)
class PairReader:
    """How a kind lists its pairs and opens their pictures."""

    rows: ListPairs
    open: OpenUnit
    find: Callable[[Path], list[Path]] | None = None  # the units with pictures, where not all have


def pairs_frame(rows: pl.DataFrame) -> pl.DataFrame:
    """PAIRS of rows that have some of the columns; seed, generator and settings may be unknown."""
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
    """The bytes of a picture file; raises UnreadableImageError for a missing or a huge one."""
    try:
        if path.stat().st_size > DEFAULT_LIMITS.max_bytes:
            raise too_large(str(path))
        return path.read_bytes()
    except OSError as error:
        raise UnreadableImageError(f"cannot read {path}: {error.strerror or error}") from error


def too_large(name: str) -> UnreadableImageError:
    """Refuses a picture before it is read."""
    return UnreadableImageError(
        f"cannot read {name}: it is larger than {DEFAULT_LIMITS.max_bytes / 2**20:g} MiB"
    )
