"""Every kind of collection by its name, and the check of an entry of `corpus.collections`."""

from unprompt.build.sources.coco import COCO, VIZWIZ
from unprompt.build.sources.collection import CollectionConfig
from unprompt.build.sources.conceptual_captions import CC3M, CC12M
from unprompt.build.sources.coyo import COYO
from unprompt.build.sources.flickr30k import FLICKR30K
from unprompt.build.sources.kind import EVERY_KIND, Kind
from unprompt.build.sources.laion import LAION
from unprompt.build.sources.localized_narratives import LOCALIZED_NARRATIVES
from unprompt.build.sources.prompt_lists import FILE, GUSTAVOSTA, LEXICA, OPEN_PROMPTS
from unprompt.build.sources.textcaps import TEXTCAPS
from unprompt.build.sources.wit import WIT
from unprompt.index.errors import ConfigError

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
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
    )
}
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
