"""A parquet file -> batches of some of its columns; memory holds one batch, whatever its size."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from unprompt.build.corpus.formats.rows import BATCH, Pick
from unprompt.build.corpus.formats.tally import Tally
from unprompt.index.base.errors import CorpusError

TEXT = (pl.String, pl.Categorical, pl.Enum)


def stream_parquet(
    path: Path, pick: Pick, tally: Tally, size: int = BATCH
) -> Iterator[pl.DataFrame]:
    """Columns of a file, the only ones that are read from disk; the first of them is text."""
    try:
        scan = pl.scan_parquet(path)
        schema = scan.collect_schema()
        names = pick(list(schema), path)
        if not isinstance(schema[names[0]], TEXT):
            raise CorpusError(
                f"{path}: column {names[0]} holds {schema[names[0]]}, wanted text; its columns "
                f"are: {', '.join(schema)}; name the one that holds the prompts with the setting "
                "`column`"
            )
        wanted = scan.select(pl.col(names[0]).cast(pl.String), *names[1:])
        count = int(scan.select(pl.len()).collect().item())
        for start in range(0, count, size):
            batch = wanted.slice(start, size).collect()
            tally.read += batch.height
            yield batch
    except (pl.exceptions.PolarsError, OSError) as error:
        raise CorpusError(f"{path} is not a readable parquet file: {error}") from error
