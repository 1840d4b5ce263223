"""Caption files in COCO's layout -> batches of captions: COCO Captions, nocaps, VizWiz.

One JSON object whose array `annotations` holds an object a caption, with `caption`, `image_id` and
`id`. VizWiz adds `is_precanned` (the stock phrase for a picture that shows nothing) and
`is_rejected` (spam), which its own evaluation leaves out.
"""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from unprompt.build.corpus.formats.json_items import stream_items
from unprompt.build.corpus.formats.rows import batches, frame_of
from unprompt.build.corpus.formats.tally import Tally
from unprompt.build.corpus.sources.collection import CollectionConfig
from unprompt.build.corpus.sources.kind import Kind

FLAGS = {"is_precanned": "precanned", "is_rejected": "rejected"}


def read_coco(path: Path, config: CollectionConfig, tally: Tally) -> Iterator[pl.DataFrame]:
    """The caption of every annotation that carries none of the flags."""
    for batch in batches(enumerate(stream_items(path, "annotations"))):
        captions: list[str] = []
        for place, item in batch:
            tally.read += 1
            flag = next((flag for flag in FLAGS if isinstance(item, dict) and item.get(flag)), None)
            if not isinstance(item, dict) or not isinstance(item.get("caption"), str):
                tally.fault(f"{path}: annotation {place} has no text `caption`")
            elif flag is not None:
                tally.drop(FLAGS[flag])
            else:
                captions.append(item["caption"])
        yield frame_of(["prompt"], [captions], tally)


COCO = Kind(
    name="coco",
    title="COCO Captions (and nocaps)",
    files="captions_train2017.json, captions_val2017.json",
    licence="captions CC BY 4.0 (COCO Consortium)",
    read=read_coco,
    patterns=(("captions_*.json", "captions_*.json.gz"),),
    example={"path": "coco/annotations/captions_train2017.json"},
)
VIZWIZ = Kind(
    name="vizwiz",
    title="VizWiz-Captions",
    files="train.json, val.json of its annotations folder",
    licence="CC BY 4.0",
    read=read_coco,
    patterns=(("train.json", "val.json"),),
    example={"path": "vizwiz/annotations/train.json"},
)
