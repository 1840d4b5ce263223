"""A parquet file -> the rows of one of its columns."""

from pathlib import Path

import polars as pl

from unprompt.build.sources.rows import PromptRows, choose_column
from unprompt.index.errors import CorpusError


def read_parquet(path: Path, column: str | None = None) -> PromptRows:
    """One column of strings, the only one that is read from disk."""
    try:
        schema = pl.read_parquet_schema(path)
        name = choose_column(list(schema), column, path)
        kind = schema[name]
        if not isinstance(kind, pl.String | pl.Categorical | pl.Enum):
            raise CorpusError(
                f"{path}: column {name} holds {kind}, wanted text; its columns are: "
                f"{', '.join(schema)}; name the one that holds the prompts with `--column`"
            )
        values = pl.read_parquet(path, columns=[name])[name].cast(pl.String)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise CorpusError(f"{path} is not a readable parquet file: {error}") from error
    return PromptRows(values.to_list())
