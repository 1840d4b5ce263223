"""A parquet file -> batches of some of its columns; memory holds one batch."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from unprompt.build.corpus.formats.rows import BATCH, NAME_IT, PickColumns
from unprompt.build.corpus.formats.tally import Tally
from unprompt.index.base.errors import CorpusError

TEXT = (pl.String, pl.Categorical, pl.Enum)


def stream_parquet(path: Path, pick: PickColumns, tally: Tally) -> Iterator[pl.DataFrame]:
    """Yield the picked columns; raises CorpusError unless the first of them holds text."""
    with readable_parquet(path):
        scan = pl.scan_parquet(path)
        schema = scan.collect_schema()
        names = pick(list(schema), path)
        if not isinstance(schema[names[0]], TEXT):
            raise CorpusError(
                f"{path}: column {names[0]} holds {schema[names[0]]}, wanted text; its columns "
                f"are: {', '.join(schema)}{NAME_IT}"
            )
        yield from scan_batches(scan.select(pl.col(names[0]).cast(pl.String), *names[1:]), tally)


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
