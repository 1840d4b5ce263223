"""What a build is made of: a YAML file or preset -> frozen settings, one section a stage."""

from typing import Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from unprompt.build.corpus.cleaning.config import CleanConfig
from unprompt.build.corpus.duplicates.config import DuplicatesConfig
from unprompt.build.corpus.folds import FoldsConfig
from unprompt.build.corpus.sources.collection import CollectionConfig
from unprompt.build.corpus.sources.kinds import check_collections
from unprompt.build.corpus.split import SplitConfig
from unprompt.build.pictures.diffusion.config import DiffusionConfig
from unprompt.index.base.durable import digest_json
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.settings import STRICT, write_settings
from unprompt.index.encoders.protocols import EncoderConfig
from unprompt.index.images.pictures import PictureFormat, PictureQuality, check_quality
from unprompt.index.search.factory import IndexConfig
from unprompt.index.towers.novelty import NoveltyConfig

SCENES_PX = 256
# Settings of a corpus that the first version did not have.
_LATER = ("collections", "clean", "duplicates", "folds", "fold")


@dataclass(frozen=True, config=STRICT)
class CorpusConfig:
    """Where prompts come from, which are dropped as near-duplicates, and how they are split."""

    # collections gives prompts to render; pairs their pictures too; embeddings their vectors
    source: Literal["scenes", "files", "shards", "collections", "pairs", "embeddings"] = "scenes"
    count: int = 1000  # prompts to sample, for the source `scenes`
    seed: int = 0
    paths: tuple[str, ...] = ()  # prompt files, or one folder of image shards
    column: str | None = None  # of a csv, tsv, parquet or jsonl file
    collections: tuple[CollectionConfig, ...] = ()  # for collections, pairs, embeddings
    dedupe_threshold: float | None = 0.8  # MiniLM cosine; none keeps near-duplicates
    leak_threshold: float = 0.8  # held-out prompts stay under this cosine to all others
    validation: int = 100
    test: int = 100
    max_train: int | None = None  # train prompts kept after the leak filter; none keeps all
    clean: CleanConfig | None = None  # none leaves prompts as they are written
    duplicates: DuplicatesConfig = Field(default_factory=DuplicatesConfig)
    folds: FoldsConfig | None = None
    fold: int | None = None  # the fold that is held out for validation, in place of `validation`

    def __post_init__(self) -> None:
        if self.source == "scenes" and self.count < 1:
            raise ConfigError(f"corpus.count must be >= 1, got {self.count}")
        check_collections(self.source, self.collections)
        if self.source in ("files", "shards") and not self.paths:
            raise ConfigError(f"corpus.source {self.source} needs corpus.paths")
        if self.source == "shards" and len(self.paths) != 1:
            raise ConfigError(f"corpus.source shards takes one folder, got {len(self.paths)} paths")
        if self.max_train is not None and self.max_train < 1:
            raise ConfigError(f"corpus.max_train must be >= 1, got {self.max_train}")
        if self.has_pictures and self.clean is not None and self.clean.rewrites:
            raise ConfigError(
                f"corpus.source {self.source} has pictures of its prompts as they are written, so "
                "that corpus.clean may only drop prompts; set tags, flags, weights and "
                "repeated_phrases to false and urls to keep or drop, artists to keep or drop"
            )
        folds = 0 if self.folds is None else self.folds.count
        if self.fold is not None and not 0 <= self.fold < folds:
            raise ConfigError(
                f"corpus.fold must be one of corpus.folds.count = {folds} folds, got {self.fold}; "
                "set corpus.folds, e.g. {count: 10, threshold: 0.7}"
            )

    @property
    def has_pictures(self) -> bool:
        """Whether the source brings pictures or their vectors, so that nothing is rendered."""
        return self.source in ("shards", "pairs", "embeddings")

    @property
    def held_out_digest(self) -> str:
        """Names the held-out prompts; the same for every `max_train` of one corpus."""
        settings = self.written
        del settings["max_train"]
        return digest_json(settings)

    @property
    def written(self) -> dict[str, Any]:
        """The settings as JSON, those that came later only where they are used.

        So that a corpus of an older version keeps its digests.
        """
        settings, unused = write_settings(self), write_settings(CorpusConfig())
        return {
            name: value
            for name, value in settings.items()
            if name not in _LATER or value != unused[name]
        }

    @property
    def cosine_threshold(self) -> float | None:
        """At which MiniLM cosine a prompt falls for an earlier one."""
        own = self.duplicates.cosine
        return self.dedupe_threshold if own is None else own

    @property
    def split(self) -> SplitConfig:
        """The settings of the split."""
        validation = self.validation if self.fold is None else 0
        return SplitConfig(validation, self.test, self.leak_threshold, self.seed)


@dataclass(frozen=True, config=STRICT)
class RenderConfig:
    """How prompts become pictures. Of a source with pictures, only `pairs` looks at it: for
    `images_per_shard` and `workers`.
    """

    renderer: Literal["scenes", "diffusers"] = "scenes"
    size_px: int = SCENES_PX  # of scenes; a pipeline has height and width
    seeds_per_prompt: int = 1  # renders of a train prompt; held-out prompts get one
    images_per_shard: int = 500
    format: PictureFormat = "jpg"
    quality: PictureQuality = 95  # of jpg and webp; `lossless` for webp
    output_px: int | None = None  # shorter side of the stored picture; none keeps it as drawn
    seed_set: str = ""  # another name gives every prompt other seeds
    diffusion: DiffusionConfig | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.images_per_shard <= 10_000:
            raise ConfigError(
                f"render.images_per_shard must lie between 1 and 10000, got {self.images_per_shard}"
            )
        if self.seeds_per_prompt < 1 or self.size_px < 32:
            raise ConfigError(
                f"render.seeds_per_prompt must be >= 1 and render.size_px >= 32, got "
                f"{self.seeds_per_prompt} and {self.size_px}"
            )
        if (self.renderer == "diffusers") != (self.diffusion is not None):
            raise ConfigError(
                "render.renderer diffusers and the section render.diffusion go together, got "
                f"{self.renderer} and {'one' if self.diffusion else 'none'}; it needs a `model:`"
            )
        if self.diffusion is not None and self.size_px != SCENES_PX:
            raise ConfigError("render.size_px is for scenes; set render.diffusion.height and width")
        if self.output_px is not None and self.output_px < 32:
            raise ConfigError(f"render.output_px must be >= 32, got {self.output_px}")
        check_quality(self.format, self.quality)

    @property
    def deciding(self) -> dict[str, Any]:
        """The settings that decide the pictures; later ones only where they are used."""
        settings = write_settings(self)
        for name in ("output_px", "seed_set", "diffusion"):
            if not settings[name]:
                del settings[name]
        if self.diffusion is not None:
            del settings["size_px"]
            settings["diffusion"] = self.diffusion.deciding
        return settings

    @property
    def stored(self) -> dict[str, Any]:
        """What a row says of how its picture was stored; scenes say it only if it was shrunk."""
        if self.diffusion is None and self.output_px is None:
            return {}
        how = {"format": self.format, "quality": self.quality, "output_px": self.output_px}
        return {"stored": how}


@dataclass(frozen=True, config=STRICT)
class EmbedConfig:
    """Which keys the index holds: vectors of the pictures, or of the prompts themselves."""

    keys: Literal["image", "text"] = "image"


@dataclass(frozen=True, config=STRICT)
class FallbackConfig:
    """The frozen tower that answers for pictures unlike the corpus, and where it takes over."""

    model: str = "efficientnet-lite0"
    novelty: NoveltyConfig = Field(default_factory=NoveltyConfig)


@dataclass(frozen=True, config=STRICT)
class BuildConfig:
    """A whole build, from prompts to index."""

    name: str
    corpus: CorpusConfig = Field(default_factory=CorpusConfig)
    render: RenderConfig = Field(default_factory=RenderConfig)
    encoder: EncoderConfig = Field(default_factory=EncoderConfig)
    embed: EmbedConfig = Field(default_factory=EmbedConfig)
    index: IndexConfig = Field(default_factory=IndexConfig)
    fallback: FallbackConfig | None = Field(default_factory=FallbackConfig)  # null leaves it out

    def __post_init__(self) -> None:
        if self.embed.keys == "text" and self.encoder.output != "embedding":
            raise ConfigError(
                "embed.keys text needs `encoder.output: embedding`: only a CLIP's joint space "
                "holds pictures and texts side by side"
            )
        if self.corpus.source == "embeddings" and self.encoder.output != "embedding":
            raise ConfigError(
                "corpus.source embeddings needs `encoder:` with the model that made the vectors "
                "and `output: embedding`, what clip-retrieval stores"
            )
        if self.corpus.source == "embeddings" and self.fallback is not None:
            raise ConfigError(
                "corpus.source embeddings brings no pictures to learn what is outside from: set "
                "`fallback: null`"
            )
