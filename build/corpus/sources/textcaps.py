"""TextCaps -> batches of captions.

One JSON object whose array `data` holds an object a caption: `caption_str` is this caption,
`reference_strs` repeats all five of its picture. The test file has no captions.
"""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from unprompt.build.corpus.formats.json_items import stream_items
from unprompt.build.corpus.formats.rows import batches, frame_of
from unprompt.build.corpus.formats.tally import Tally
from unprompt.build.corpus.sources.collection import CollectionConfig
from unprompt.build.corpus.sources.kind import Kind


def read_textcaps(path: Path, config: CollectionConfig, tally: Tally) -> Iterator[pl.DataFrame]:
    """The caption of every entry."""
    for batch in batches(enumerate(stream_items(path, "data"))):
        captions: list[str] = []
        for place, item in batch:
            tally.read += 1
            if isinstance(item, dict) and isinstance(item.get("caption_str"), str):
                captions.append(item["caption_str"])
            else:
                tally.fault(f"{path}: entry {place} has no text `caption_str`")
        yield frame_of(["prompt"], [captions], tally)


TEXTCAPS = Kind(
    name="textcaps",
    title="TextCaps",
    files="TextCaps_0.1_train.json, TextCaps_0.1_val.json",
    licence="CC BY 4.0",
    read=read_textcaps,
    patterns=(("TextCaps_*_train.json", "TextCaps_*_val.json"),),
    example={"path": "textcaps/TextCaps_0.1_train.json"},
)
