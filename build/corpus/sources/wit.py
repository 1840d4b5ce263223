"""WIT, the Wikipedia image texts -> batches of captions with their language.

The files are tab-separated with a header of 17 columns and spreadsheet quoting, because articles
hold line breaks. The caption is `caption_reference_description`, the text below the picture, or
`caption_alt_text_description` if that is empty; `language` has two letters. Pages and URLs are not
read.
"""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from unprompt.build.corpus.formats.rows import missing_column
from unprompt.build.corpus.formats.tabular import Dialect, read_records, take_fields
from unprompt.build.corpus.formats.tally import Tally
from unprompt.build.corpus.sources.collection import CollectionConfig
from unprompt.build.corpus.sources.kind import Kind

CAPTIONS = ("caption_reference_description", "caption_alt_text_description")
LANGUAGE = "language"


def read_wit(path: Path, config: CollectionConfig, tally: Tally) -> Iterator[pl.DataFrame]:
    """Yield captions with their language."""
    records = read_records(path, Dialect("\t", strict=False))
    _, header = next(records, (0, []))
    names = [LANGUAGE, *([config.column] if config.column else CAPTIONS)]
    missing = [name for name in names if name not in header]
    if missing:
        raise missing_column(path, ", ".join(missing), header)
    for frame in take_fields(path, records, names, [header.index(name) for name in names], tally):
        filled = [pl.when(pl.col(name) != "").then(pl.col(name)) for name in names[1:]]
        yield frame.select(LANGUAGE, pl.coalesce(filled).alias("prompt"))


WIT = Kind(
    name="wit",
    title="WIT, Wikipedia-based Image Text",
    files="wit_v1.train.all-00000-of-00010.tsv.gz",
    licence="CC BY-SA 3.0, as Wikipedia's texts",
    read=read_wit,
    patterns=(("wit_*.tsv", "wit_*.tsv.gz"),),
    settings=("column", "language"),
    example={"path": "wit", "language": "en"},
)
