"""The sections `embed:` and `fallback:` of a build config."""

from typing import Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from unprompt.index.base.settings import STRICT
from unprompt.index.towers.novelty import NoveltyConfig


@dataclass(frozen=True, config=STRICT)
class EmbedConfig:
    """The keys of the index: vectors of the pictures or of the prompts."""

    keys: Literal["image", "text"] = "image"


@dataclass(frozen=True, config=STRICT)
class FallbackConfig:
    """The frozen tower that answers for pictures unlike the corpus, and the limit of its use."""

    model: str = "efficientnet-lite0"
    novelty: NoveltyConfig = Field(default_factory=NoveltyConfig)
