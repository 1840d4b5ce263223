"""The table of all kinds of collections, and the checks of `corpus.collections`."""

from collections.abc import Sequence

from unprompt.build.corpus.sources.alt_texts import COYO, LAION
from unprompt.build.corpus.sources.caption_json import (
    COCO,
    LOCALIZED_NARRATIVES,
    TEXTCAPS,
    VIZWIZ,
)
from unprompt.build.corpus.sources.caption_tsv import CC3M, CC12M, WIT
from unprompt.build.corpus.sources.clip_retrieval import CLIP_RETRIEVAL
from unprompt.build.corpus.sources.collection import CollectionConfig
from unprompt.build.corpus.sources.diffusiondb import DIFFUSIONDB
from unprompt.build.corpus.sources.flickr30k import FLICKR30K
from unprompt.build.corpus.sources.hugging_face import HUGGINGFACE
from unprompt.build.corpus.sources.image_folder import IMAGE_FOLDER
from unprompt.build.corpus.sources.image_parquet import IMAGE_PARQUET
from unprompt.build.corpus.sources.kind import EVERY_KIND, Kind
from unprompt.build.corpus.sources.prompt_lists import FILE, GUSTAVOSTA, LEXICA, OPEN_PROMPTS
from unprompt.build.corpus.sources.webdataset_tars import WEBDATASET
from unprompt.index.base.errors import ConfigError

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        DIFFUSIONDB, GUSTAVOSTA, LEXICA, OPEN_PROMPTS, COCO, VIZWIZ, TEXTCAPS, FLICKR30K,
        LOCALIZED_NARRATIVES, CC3M, CC12M, COYO, LAION, WIT, FILE, IMAGE_FOLDER, WEBDATASET,
        IMAGE_PARQUET, HUGGINGFACE, CLIP_RETRIEVAL,
    )
}  # fmt: skip
SOURCES = ("collections", "pairs", "embeddings")
LIST_THEM = "`unprompt sources` lists the kinds with their settings"


def find_kind(name: str) -> Kind:
    """The kind named `name`; raises ConfigError, which lists all kinds, if there is none."""
    if name not in KINDS:
        raise ConfigError(f"unknown kind {name!r}; known kinds are {', '.join(KINDS)}; {LIST_THEM}")
    return KINDS[name]


def check_collection(config: CollectionConfig) -> Kind:
    """The kind of an entry; raises ConfigError if it does not take the entry's settings."""
    kind = find_kind(config.kind)
    unknown = sorted(config.chosen - EVERY_KIND - set(kind.settings))
    if unknown:
        taken = ", ".join(kind.settings) or "only the settings of every kind"
        raise ConfigError(
            f"the kind {kind.name} does not take {', '.join(unknown)}; it takes {taken}; "
            f"{LIST_THEM}"
        )
    if config.path is None and config.hub is None:
        raise ConfigError(f"the kind {kind.name} needs a `path`: {kind.files}")
    return kind


def check_collections(source: str, collections: Sequence[CollectionConfig]) -> None:
    """Raise ConfigError if the corpus source cannot use these entries."""
    if source not in SOURCES:
        if collections:
            raise ConfigError(
                f"corpus.source {source} reads no corpus.collections; set corpus.source to one of "
                f"{', '.join(SOURCES)}"
            )
        return
    if not collections:
        raise ConfigError(f"corpus.source {source} needs corpus.collections; {LIST_THEM}")
    kinds = [check_collection(config) for config in collections]
    without = [kind.name for kind in kinds if kind.pairs is None]
    if source == "pairs" and without:
        able = ", ".join(name for name, kind in KINDS.items() if kind.pairs is not None)
        raise ConfigError(
            f"corpus.source pairs needs pictures, but the kind {without[0]} has none; kinds with "
            f"pictures are {able}; set corpus.source to collections to render its prompts"
        )
    if source == "embeddings" and [kind.name for kind in kinds] != [CLIP_RETRIEVAL.name]:
        raise ConfigError(
            f"corpus.source embeddings takes one collection of the kind {CLIP_RETRIEVAL.name}, "
            f"got {', '.join(kind.name for kind in kinds)}"
        )
