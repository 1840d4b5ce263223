"""Localized Narratives of Open Images, COCO, Flickr30k and ADE20k -> batches of captions.

A JSON object a line with `caption` beside ids and, in the files named `localized_narratives`, the
timed caption and the mouse traces; the ids of the annotators are not read.
"""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from unprompt.build.corpus.formats.json_lines import stream_json_lines
from unprompt.build.corpus.formats.rows import pick_prompt
from unprompt.build.corpus.formats.tally import Tally
from unprompt.build.corpus.sources.collection import CollectionConfig
from unprompt.build.corpus.sources.kind import Kind


def read_narratives(path: Path, config: CollectionConfig, tally: Tally) -> Iterator[pl.DataFrame]:
    """The caption of every line."""
    for frame in stream_json_lines(path, pick_prompt("caption"), tally):
        yield frame.rename({frame.columns[0]: "prompt"})


LOCALIZED_NARRATIVES = Kind(
    name="localized_narratives",
    title="Localized Narratives (Open Images, COCO, Flickr30k, ADE20k)",
    files="open_images_train_v6_captions.jsonl or *_localized_narratives-00000-of-00010.jsonl",
    licence="CC BY 4.0",
    read=read_narratives,
    patterns=(("*_captions.jsonl",), ("*localized_narratives*.jsonl",)),
    example={"path": "open-images/open_images_train_v6_captions.jsonl"},
)
