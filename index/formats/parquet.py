"""A parquet file -> batches of some of its columns; memory holds one batch."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from unprompt.index.base.errors import CorpusError
from unprompt.index.captions.names import field_of, fields_below
from unprompt.index.formats.rows import BATCH, PickColumns
from unprompt.index.formats.tally import Tally


def stream_parquet(path: Path, pick: PickColumns, tally: Tally) -> Iterator[pl.DataFrame]:
    """Yield the picked columns, or fields of structs, in their types."""
    with readable_parquet(path):
        scan = pl.scan_parquet(path)
        columns = list(scan.collect_schema())
        schema = fields_below(scan.collect_schema())
        names = pick(list(schema), path)
        wanted = [field_of(columns, name).alias(name) for name in names]
        yield from scan_batches(scan.select(wanted), tally)


def scan_batches(scan: pl.LazyFrame, tally: Tally) -> Iterator[pl.DataFrame]:
    """Yield the rows of a scan in batches and count them as read."""
    count = int(scan.select(pl.len()).collect().item())
    for start in range(0, count, BATCH):
        batch = scan.slice(start, BATCH).collect()
        tally.read += batch.height
        yield batch


@contextmanager
def readable_parquet(path: Path) -> Iterator[None]:
    """Raise polars' and system errors as a CorpusError that names the file."""
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        raise CorpusError(f"{path} is not a readable parquet file: {error}") from error
