"""DiffusionDB: metadata tables or parts -> batches of prompts; parts give pictures too.

Of the 13 columns of `metadata.parquet` and `metadata-large.parquet`, `prompt`, `image_nsfw` and
`prompt_nsfw` are read; `user_name` and `timestamp` are not.
"""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from unprompt.build.corpus.formats.tally import Tally
from unprompt.build.corpus.sources.collection import CollectionConfig
from unprompt.build.corpus.sources.diffusiondb_parts import (
    METADATA,
    find_parts,
    list_part,
    open_part,
    read_part,
)
from unprompt.build.corpus.sources.kind import Kind
from unprompt.build.corpus.sources.pairs import PairReader
from unprompt.build.corpus.sources.scored import ScoredTable

TABLE = ScoredTable(
    prompt=("prompt",),
    scores={"prompt_nsfw": ("prompt_nsfw",), "image_nsfw": ("image_nsfw",)},
)


def read_diffusiondb(path: Path, config: CollectionConfig, tally: Tally) -> Iterator[pl.DataFrame]:
    """Yield the prompts of a table or of a part."""
    if path.suffix.lower() == ".parquet":
        return TABLE.read(path, config, tally)
    return read_part(path, config, tally)


DIFFUSIONDB = Kind(
    name="diffusiondb",
    title="DiffusionDB 2M and Large",
    files="metadata.parquet, metadata-large.parquet, or parts: part-000001.zip, part-000001/",
    licence="CC0 1.0; what users wrote, with NSFW content. Check before use",
    read=read_diffusiondb,
    patterns=(METADATA, ("part-*.json", "part-*.zip")),
    settings=("max_prompt_nsfw", "max_image_nsfw", "metadata"),
    example={"path": "diffusiondb/metadata.parquet", "max_prompt_nsfw": 0.5, "max_rows": 1000000},
    pairs=PairReader(list_part, open_part, find_parts),
)
