"""The section `corpus:` of a build config: sources of prompts, cleaning, de-duplication, split."""

from typing import Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from unprompt.build.corpus.cleaning.config import CleanConfig
from unprompt.build.corpus.duplicates.config import DuplicatesConfig
from unprompt.build.corpus.folds import FoldsConfig
from unprompt.build.corpus.known_targets import TargetsConfig
from unprompt.build.corpus.sources.collection import NEWER, Captions, CollectionConfig
from unprompt.build.corpus.sources.kinds import check_collections
from unprompt.build.corpus.split import SplitConfig
from unprompt.index.base.durable import digest_json
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.settings import STRICT, write_settings

# Optional parts of a corpus, recorded only if they are used. The digest that the sealed starter
# records does not contain them.
_OPTIONAL = (
    "captions", "collections", "clean", "duplicates", "folds", "fold", "final",
    "targets",
)  # fmt: skip


@dataclass(frozen=True, config=STRICT)
class CorpusConfig:
    """Where prompts come from, which of them are dropped, and how the others are split."""

    # collections: prompts to render; pairs: prompts and pictures; embeddings: prompts and vectors
    source: Literal["scenes", "files", "shards", "collections", "pairs", "embeddings"] = "scenes"
    count: int = 1000  # number of prompts of the source `scenes`
    seed: int = 0
    paths: tuple[str, ...] = ()  # prompt files, or one folder of image shards
    column: str | None = None  # of the prompts in a csv, tsv, parquet or jsonl file
    captions: Captions = "all"  # of a row or picture with several
    collections: tuple[CollectionConfig, ...] = ()  # of the sources collections, pairs, embeddings
    targets: tuple[TargetsConfig, ...] = ()  # vectors of prompts that need not be encoded
    dedupe_threshold: float | None = 0.8  # lowest MiniLM cosine to drop; none keeps all
    leak_threshold: float = 0.8  # held-out prompts have lower cosines to all others
    validation: int = 100
    test: int = 100
    max_train: int | None = None  # train prompts to keep after the leak filter; none keeps all
    clean: CleanConfig | None = None  # none changes no prompt
    duplicates: DuplicatesConfig = Field(default_factory=DuplicatesConfig)
    folds: FoldsConfig | None = None
    fold: int | None = None  # the fold to use as validation split, instead of `validation`
    final: bool = False  # make RUN/final too: all pictures, held-out and excluded ones included

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
                f"corpus.source {self.source} has pictures of the unchanged prompts, so that "
                "corpus.clean can only drop prompts; set tags, flags, weights and "
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
        """Whether the source has pictures or their vectors, so that nothing is rendered."""
        return self.source in ("shards", "pairs", "embeddings")

    @property
    def held_out_digest(self) -> str:
        """Identifies the held-out prompts; it does not depend on `max_train` and `final`."""
        unlike = ("max_train", "final")
        return digest_json({n: value for n, value in self.written.items() if n not in unlike})

    @property
    def written(self) -> dict[str, Any]:
        """The settings as JSON, without optional parts that are unused.

        Such a part can then change without changing the digest of a corpus that does not use it.
        """
        settings, unused = write_settings(self), write_settings(CorpusConfig())
        for one in settings["collections"]:
            for name in [name for name in NEWER if one.get(name) == NEWER[name]]:
                del one[name]
        return {
            name: value
            for name, value in settings.items()
            if name not in _OPTIONAL or value != unused[name]
        }

    @property
    def cosine_threshold(self) -> float | None:
        """The lowest MiniLM cosine to an earlier prompt at which a prompt is dropped."""
        own = self.duplicates.cosine
        return self.dedupe_threshold if own is None else own

    @property
    def split(self) -> SplitConfig:
        """The settings of the split."""
        validation = self.validation if self.fold is None else 0
        return SplitConfig(validation, self.test, self.leak_threshold, self.seed)
