"""Tab-separated files of web captions -> batches of captions.

- CC3M (`Train_GCC-training.tsv`) is caption, tab, URL; CC12M (`cc12m.tsv`) is URL, tab, caption.
  Neither has a header or quotes. Copies for img2dataset start with a header that may be wrong. So
  the caption of each row is the field that is not a URL.
- WIT, the Wikipedia image texts, has a header of 17 columns and spreadsheet quoting, because
  articles hold line breaks. The caption is `caption_reference_description`, the text below the
  picture, or `caption_alt_text_description` if that is empty; `language` has two letters. Pages and
  URLs are not read.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from unprompt.build.corpus.sources.collection import CollectionConfig
from unprompt.build.corpus.sources.kind import Kind
from unprompt.index.formats.rows import batches, missing_column, text_frame
from unprompt.index.formats.tabular import Dialect, read_records, take_fields
from unprompt.index.formats.tally import Tally

URL = ("http://", "https://")
HEADER = {"url", "caption"}
CAPTIONS = ("caption_reference_description", "caption_alt_text_description")
LANGUAGE = "language"


def read_conceptual(path: Path, config: CollectionConfig, tally: Tally) -> Iterator[pl.DataFrame]:
    """Yield the field of each line that is not a URL."""
    for batch in batches(read_records(path, Dialect("\t", csv.QUOTE_NONE))):
        captions: list[str] = []
        for line, fields in batch:
            if line == 1 and {field.strip().lower() for field in fields} == HEADER:
                continue
            tally.read += 1
            texts = [field for field in fields if not field.lower().startswith(URL)]
            if len(fields) == 2 and len(texts) == 1:
                captions += texts
            elif fields:
                tally.fault(f"{path}:{line}: wanted a caption and a URL, got {len(fields)} fields")
            else:
                captions.append("")
        yield text_frame(["prompt"], [captions], tally)


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


CC3M = Kind(
    name="cc3m",
    title="Conceptual Captions 3M",
    files="Train_GCC-training.tsv (caption, URL)",
    licence="free for any use with credit to Google; as is. Check before use",
    read=read_conceptual,
    patterns=(("*GCC*.tsv", "*GCC*.tsv.gz", "cc3m*.tsv", "cc3m*.tsv.gz"),),
    example={"path": "cc3m/Train_GCC-training.tsv"},
)
CC12M = Kind(
    name="cc12m",
    title="Conceptual 12M",
    files="cc12m.tsv (URL, caption)",
    licence="free for any use with credit to Google; as is. Check before use",
    read=read_conceptual,
    patterns=(("cc12m*.tsv", "cc12m*.tsv.gz"),),
    example={"path": "cc12m/cc12m.tsv", "max_rows": 1000000},
)
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
