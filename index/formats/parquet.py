"""A parquet file -> batches of some of its columns; memory holds one batch."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from unprompt.index.base.errors import CorpusError, DamagedFileError
from unprompt.index.captions.names import field_of, fields_below
from unprompt.index.formats.rows import BATCH, PickColumns
from unprompt.index.formats.tally import Tally
from unprompt.index.parquet.checked import check_parquet, polars_faults

MOST_TEXT = 10**9  # bytes of the texts of a batch


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
        _check_texts(batch)
        tally.read += batch.height
        yield batch


@contextmanager
def readable_parquet(path: Path) -> Iterator[None]:
    """Check the headers of a file, and raise polars' faults as a CorpusError that names it."""

    def fault(reason: str) -> CorpusError:
        return CorpusError(f"{path} is not a readable parquet file: {reason}")

    try:
        check_parquet(path, most_bytes=None)
    except DamagedFileError as error:
        raise CorpusError(str(error)) from error
    with polars_faults(fault):
        yield


def _check_texts(batch: pl.DataFrame) -> None:
    """Raise CorpusError for texts that are very long together: many rows may share one."""
    texts = [batch[name] for name, kind in batch.schema.items() if kind == pl.String]
    total = sum(int(text.str.len_bytes().sum()) for text in texts)
    if total > MOST_TEXT:
        raise CorpusError(
            f"{batch.height:,} rows hold {total / 1e6:,.0f} MB of text, and the limit is "
            f"{MOST_TEXT / 1e6:,.0f} MB; clean the file first"
        )
