"""Flickr30k in its published layouts -> batches of captions.

- `results_20130124.token`: `1000092795.jpg#0<tab>caption`, no header
- `results.csv`: `image_name| comment_number| comment`; at least one row lacks a bar
- `captions.txt`: `image,caption` with a header; captions hold commas and may be quoted
- `flickr_annotations_30k.csv`: the column `raw` is a JSON list of captions
- `dataset_flickr30k.json`: an array `images`, each with `sentences`, each with `raw`
"""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from unprompt.build.corpus.sources.collection import FIRST, CollectionConfig
from unprompt.build.corpus.sources.kind import Kind
from unprompt.index.base.errors import CorpusError
from unprompt.index.captions.texts import texts_of
from unprompt.index.formats.json_items import stream_items
from unprompt.index.formats.rows import batches, pick_prompt, text_frame
from unprompt.index.formats.tabular import stream_tabular
from unprompt.index.formats.tally import Tally
from unprompt.index.formats.text import open_text

BAR, TOKEN, COMMA = "|", "\t", ","


def read_flickr30k(path: Path, config: CollectionConfig, tally: Tally) -> Iterator[pl.DataFrame]:
    """Yield the captions of a file in any of the layouts; raises CorpusError for another one."""
    if path.suffix.lower() == ".json":
        return _read_json(path, config, tally)
    with open_text(path) as handle:
        first = handle.readline()
    if "sentids" in first or first.startswith("raw,"):
        return _read_annotations(path, config, tally)
    names = first.lower().replace(" ", "").strip().split(BAR)
    if names[-1] == "comment":
        return _read_lines(path, BAR, 2, True, tally)
    if TOKEN in first:
        return _read_lines(path, TOKEN, 1, False, tally)
    if first.lower().strip() == "image,caption":
        return _read_lines(path, COMMA, 1, True, tally)
    raise CorpusError(
        f"{path} is in none of the layouts of Flickr30k: {FLICKR30K.files}; it starts with "
        f"{first[:60]!r}; for another table use the kind `file` and name its `column`"
    )


def _read_lines(
    path: Path, separator: str, before: int, header: bool, tally: Tally
) -> Iterator[pl.DataFrame]:
    """Yield the text after `before` separators of each line; captions may hold separators."""
    with open_text(path) as handle:
        if header:
            handle.readline()
        for batch in batches(enumerate(handle, start=1 + header)):
            captions = []
            for line, text in batch:
                tally.read += 1
                fields = text.rstrip("\n").split(separator, before)
                if len(fields) > before:
                    captions.append(
                        _unquote(fields[before]) if separator == COMMA else fields[before]
                    )
                elif text.strip():
                    tally.fault(f"{path}:{line}: wanted {before} {separator!r} before the caption")
                else:
                    captions.append("")
            yield text_frame(["prompt"], [captions], tally)


def _unquote(field: str) -> str:
    quoted = len(field) > 1 and field[0] == field[-1] == '"'
    return field[1:-1].replace('""', '"') if quoted else field


def _read_annotations(path: Path, config: CollectionConfig, tally: Tally) -> Iterator[pl.DataFrame]:
    rows = 0
    for frame in stream_tabular(path, pick_prompt("raw"), tally):
        captions: list[str] = []
        for text in frame["raw"]:
            rows += 1
            found = texts_of(text) if text and text.lstrip().startswith("[") else []
            if found:
                kept = found[:1] if config.captions == FIRST else found
                captions += kept
                tally.read += len(kept) - 1
            else:
                tally.fault(f"{path}: row {rows}: `raw` is not a JSON list of captions")
        yield text_frame(["prompt"], [captions], tally)


def _read_json(path: Path, config: CollectionConfig, tally: Tally) -> Iterator[pl.DataFrame]:
    for batch in batches(enumerate(stream_items(path, "images"))):
        captions: list[str] = []
        for place, item in batch:
            sentences = item.get("sentences") if isinstance(item, dict) else None
            found = sentences if isinstance(sentences, list) else [None]
            for sentence in found[:1] if config.captions == FIRST else found:
                tally.read += 1
                if isinstance(sentence, dict) and isinstance(sentence.get("raw"), str):
                    captions.append(sentence["raw"])
                else:
                    tally.fault(f"{path}: image {place} has no sentence with a text `raw`")
        yield text_frame(["prompt"], [captions], tally)


FLICKR30K = Kind(
    name="flickr30k",
    title="Flickr30k",
    files="results_20130124.token, results.csv, captions.txt, flickr_annotations_30k.csv or "
    "dataset_flickr30k.json",
    licence="research use; the pictures are Flickr's users'. Check before use",
    read=read_flickr30k,
    patterns=(
        ("results_20130124.token",),
        ("dataset_flickr30k.json",),
        ("flickr_annotations_30k.csv",),
        ("results.csv",),
        ("captions.txt",),
    ),
    settings=("captions",),
    example={"path": "flickr30k/results_20130124.token"},
)
