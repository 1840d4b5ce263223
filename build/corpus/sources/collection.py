"""One entry of `corpus.collections`: which collection, where it lies, what is kept of it."""

from dataclasses import fields

from pydantic.dataclasses import dataclass

from unprompt.index.base.errors import ConfigError
from unprompt.index.base.settings import STRICT, write_settings


@dataclass(frozen=True, config=STRICT)
class CollectionConfig:
    """A collection on disk. Which of the settings from `column` on it takes, its kind says."""

    kind: str
    path: str | None = None  # a file, or a folder that is searched for the kind's files
    name: str | None = None  # stands as `source` beside every prompt; the kind if left out
    max_rows: int | None = None  # distinct prompts kept, drawn by their ids; none keeps all
    seed: int = 0  # of that draw
    column: str | None = None  # that holds the prompts
    similarity_column: str | None = None
    min_similarity: float | None = None  # of picture and text, as the collection measured it
    max_prompt_nsfw: float | None = None
    max_image_nsfw: float | None = None
    max_watermark: float | None = None
    min_aesthetic: float | None = None
    language: str | None = None
    metadata: str | None = None  # a table with the scores of pictures that lie elsewhere
    hub: str | None = None  # name of a dataset on the Hugging Face hub: this reaches the network
    subset: str | None = None
    split: str | None = None

    def __post_init__(self) -> None:
        if self.max_rows is not None and self.max_rows < 1:
            raise ConfigError(f"max_rows of a collection must be >= 1, got {self.max_rows}")

    @property
    def source(self) -> str:
        """What the prompts' column `source` says."""
        return self.name or self.kind

    @property
    def place(self) -> str:
        """Where it lies, for messages and for the report."""
        return self.path or f"hub:{self.hub}"

    @property
    def chosen(self) -> set[str]:
        """The names of the settings that are set."""
        values = write_settings(self)
        return {field.name for field in fields(self) if values[field.name] != field.default}
