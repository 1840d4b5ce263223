"""The sections of a config -> the frozen settings of a build."""

from pydantic import Field
from pydantic.dataclasses import dataclass

from unprompt.build.corpus.config import CorpusConfig
from unprompt.build.keys.config import EmbedConfig, FallbackConfig
from unprompt.build.pictures.config import RenderConfig
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.settings import STRICT
from unprompt.index.encoders.protocols import EncoderConfig
from unprompt.index.search.factory import IndexConfig


@dataclass(frozen=True, config=STRICT)
class BuildConfig:
    """The settings of a build, from prompts to index."""

    name: str
    corpus: CorpusConfig = Field(default_factory=CorpusConfig)
    render: RenderConfig = Field(default_factory=RenderConfig)
    encoder: EncoderConfig = Field(default_factory=EncoderConfig)
    embed: EmbedConfig = Field(default_factory=EmbedConfig)
    index: IndexConfig = Field(default_factory=IndexConfig)
    fallback: FallbackConfig | None = Field(default_factory=FallbackConfig)  # null: no fallback

    def __post_init__(self) -> None:
        if self.embed.keys == "text" and self.encoder.output != "embedding":
            raise ConfigError(
                "embed.keys text needs `encoder.output: embedding`: only a CLIP's joint space "
                "holds pictures and texts side by side"
            )
        if self.corpus.final and self.embed.keys != "image":
            raise ConfigError(
                "corpus.final indexes the pictures of all prompts, so it needs `embed.keys: image`"
            )
        if self.corpus.source == "embeddings" and self.encoder.output != "embedding":
            raise ConfigError(
                "corpus.source embeddings needs `encoder:` with the model that made the vectors "
                "and `output: embedding`, what clip-retrieval stores"
            )
        if self.corpus.source == "embeddings" and self.fallback is not None:
            raise ConfigError(
                "corpus.source embeddings has no pictures to fit the fallback on; set "
                "`fallback: null`"
            )
