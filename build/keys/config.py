"""The sections `embed:` and `fallback:` of a build config."""

from typing import Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from unprompt.index.base.settings import STRICT
from unprompt.index.towers.novelty import NoveltyConfig


@dataclass(frozen=True, config=STRICT)
class EmbedConfig:
    """Which keys the index holds: vectors of the pictures, or of the prompts themselves."""

    keys: Literal["image", "text"] = "image"


@dataclass(frozen=True, config=STRICT)
class FallbackConfig:
    """The frozen tower that answers for pictures unlike the corpus, and where it takes over."""

    model: str = "efficientnet-lite0"
    novelty: NoveltyConfig = Field(default_factory=NoveltyConfig)
