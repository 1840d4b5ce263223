"""JSON files of human captions -> batches of captions.

- COCO Captions, nocaps, VizWiz: one object whose array `annotations` holds an object per caption,
  with `caption`, `image_id`, `id`. VizWiz adds `is_precanned` (a stock phrase for a picture without
  content) and `is_rejected` (spam); its own evaluation ignores both.
- TextCaps: one object whose array `data` holds an object per caption, with `caption_str`. The array
  `reference_strs` repeats all captions of the picture and is not read.
- Localized Narratives: one object per line, with `caption`; ids of annotators are not read.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from unprompt.build.corpus.sources.collection import CollectionConfig
from unprompt.build.corpus.sources.kind import Kind
from unprompt.build.corpus.sources.scored import ScoredTable
from unprompt.index.formats.json_items import stream_items
from unprompt.index.formats.rows import batches, text_frame
from unprompt.index.formats.tally import Tally

FLAGS = {"is_precanned": "precanned", "is_rejected": "rejected"}  # key -> reason in the counts


@dataclass(frozen=True)
class CaptionArray:
    """A document with one caption per item of a top-level array."""

    array: str
    item: str  # what messages call an item
    caption: str  # key of the caption

    def read(self, path: Path, config: CollectionConfig, tally: Tally) -> Iterator[pl.DataFrame]:
        """Yield the captions of all items that carry none of `FLAGS`."""
        for batch in batches(enumerate(stream_items(path, self.array))):
            captions: list[str] = []
            for place, item in batch:
                tally.read += 1
                found = item if isinstance(item, dict) else {}
                caption = found.get(self.caption)
                flag = next((flag for flag in FLAGS if found.get(flag)), None)
                if not isinstance(caption, str):
                    tally.fault(f"{path}: {self.item} {place} has no text `{self.caption}`")
                elif flag is not None:
                    tally.drop(FLAGS[flag])
                else:
                    captions.append(caption)
            yield text_frame(["prompt"], [captions], tally)


ANNOTATIONS = CaptionArray("annotations", "annotation", "caption")
COCO = Kind(
    name="coco",
    title="COCO Captions (and nocaps)",
    files="captions_train2017.json, captions_val2017.json",
    licence="captions CC BY 4.0 (COCO Consortium)",
    read=ANNOTATIONS.read,
    patterns=(("captions_*.json", "captions_*.json.gz"),),
    example={"path": "coco/annotations/captions_train2017.json"},
)
VIZWIZ = Kind(
    name="vizwiz",
    title="VizWiz-Captions",
    files="train.json, val.json of its annotations folder",
    licence="CC BY 4.0",
    read=ANNOTATIONS.read,
    patterns=(("train.json", "val.json"),),
    example={"path": "vizwiz/annotations/train.json"},
)
TEXTCAPS = Kind(
    name="textcaps",
    title="TextCaps",
    files="TextCaps_0.1_train.json, TextCaps_0.1_val.json",
    licence="CC BY 4.0",
    read=CaptionArray("data", "entry", "caption_str").read,
    patterns=(("TextCaps_*_train.json", "TextCaps_*_val.json"),),
    example={"path": "textcaps/TextCaps_0.1_train.json"},
)
LOCALIZED_NARRATIVES = Kind(
    name="localized_narratives",
    title="Localized Narratives (Open Images, COCO, Flickr30k, ADE20k)",
    files="open_images_train_v6_captions.jsonl or *_localized_narratives-00000-of-00010.jsonl",
    licence="CC BY 4.0",
    read=ScoredTable(prompt=("caption",)).read,
    patterns=(("*_captions.jsonl",), ("*localized_narratives*.jsonl",)),
    example={"path": "open-images/open_images_train_v6_captions.jsonl"},
)
