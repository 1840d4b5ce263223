"""Every kind of collection by its name, and the check of an entry of `corpus.collections`."""

from collections.abc import Sequence

from unprompt.build.corpus.sources.clip_retrieval import CLIP_RETRIEVAL
from unprompt.build.corpus.sources.coco import COCO, VIZWIZ
from unprompt.build.corpus.sources.collection import CollectionConfig
from unprompt.build.corpus.sources.conceptual_captions import CC3M, CC12M
from unprompt.build.corpus.sources.coyo import COYO
from unprompt.build.corpus.sources.diffusiondb import DIFFUSIONDB
from unprompt.build.corpus.sources.flickr30k import FLICKR30K
from unprompt.build.corpus.sources.hugging_face import HUGGINGFACE
from unprompt.build.corpus.sources.image_folder import IMAGE_FOLDER
from unprompt.build.corpus.sources.image_parquet import IMAGE_PARQUET
from unprompt.build.corpus.sources.kind import EVERY_KIND, Kind
from unprompt.build.corpus.sources.laion import LAION
from unprompt.build.corpus.sources.localized_narratives import LOCALIZED_NARRATIVES
from unprompt.build.corpus.sources.prompt_lists import FILE, GUSTAVOSTA, LEXICA, OPEN_PROMPTS
from unprompt.build.corpus.sources.textcaps import TEXTCAPS
from unprompt.build.corpus.sources.webdataset_tars import WEBDATASET
from unprompt.build.corpus.sources.wit import WIT
from unprompt.index.base.errors import ConfigError

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        DIFFUSIONDB,
        GUSTAVOSTA,
        LEXICA,
        OPEN_PROMPTS,
        COCO,
        VIZWIZ,
        TEXTCAPS,
        FLICKR30K,
        LOCALIZED_NARRATIVES,
        CC3M,
        CC12M,
        COYO,
        LAION,
        WIT,
        FILE,
        IMAGE_FOLDER,
        WEBDATASET,
        IMAGE_PARQUET,
        HUGGINGFACE,
        CLIP_RETRIEVAL,
    )
}
SOURCES = ("collections", "pairs", "embeddings")
LIST_THEM = "`unprompt sources` lists the kinds with their settings"


def find_kind(name: str) -> Kind:
    """The kind of that name; raises ConfigError, which lists all, where there is none."""
    if name not in KINDS:
        raise ConfigError(f"unknown kind {name!r}; known kinds are {', '.join(KINDS)}; {LIST_THEM}")
    return KINDS[name]


def check_collection(config: CollectionConfig) -> Kind:
    """The kind of an entry whose settings it takes; raises ConfigError otherwise."""
    kind = find_kind(config.kind)
    foreign = sorted(config.chosen - EVERY_KIND - set(kind.settings))
    if foreign:
        taken = ", ".join(kind.settings) or "none beyond those of every kind"
        raise ConfigError(
            f"the kind {kind.name} does not take {', '.join(foreign)}; it takes {taken}; "
            f"{LIST_THEM}"
        )
    if config.path is None and config.hub is None:
        raise ConfigError(f"the kind {kind.name} needs a `path`: {kind.files}")
    return kind


def check_collections(source: str, collections: Sequence[CollectionConfig]) -> None:
    """Refuse entries that the corpus source cannot use; raises ConfigError."""
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
            f"corpus.source pairs needs pictures, which the kind {without[0]} does not bring; "
            f"those that do are {able}. Take corpus.source collections to render its prompts"
        )
    if source == "embeddings" and [kind.name for kind in kinds] != [CLIP_RETRIEVAL.name]:
        raise ConfigError(
            f"corpus.source embeddings takes one collection of the kind {CLIP_RETRIEVAL.name}, "
            f"got {', '.join(kind.name for kind in kinds)}"
        )
