"""One entry of `corpus.collections`: the collection, its path, and the filters of its rows."""

from dataclasses import fields
from typing import Literal

from pydantic.dataclasses import dataclass

from unprompt.index.base.errors import ConfigError
from unprompt.index.base.settings import STRICT, write_settings

Captions = Literal["all", "first"]
FIRST: Captions = "first"
NEWER = {"captions": "all", "group": None}  # settings that are recorded only where they are used


@dataclass(frozen=True, config=STRICT)
class CollectionConfig:
    """A collection on disk; its kind decides which of the settings from `column` on it takes."""

    kind: str
    path: str | None = None  # a file, or a folder to search for the kind's files
    name: str | None = None  # value of the column `source`; default: the kind
    max_rows: int | None = None  # distinct prompts to draw by their ids; none keeps all
    seed: int = 0  # of the draw
    column: str | None = None  # of the prompts; `a.b` is the field b of the column a
    captions: Captions = "all"  # of a row or picture with several
    group: str | None = None  # column, or key of the json: prompts of one group share a split
    similarity_column: str | None = None
    min_similarity: float | None = None  # between picture and text, as measured by the collection
    max_prompt_nsfw: float | None = None
    max_image_nsfw: float | None = None
    max_watermark: float | None = None
    min_aesthetic: float | None = None
    language: str | None = None
    metadata: str | None = None  # a table with the scores of the pictures
    hub: str | None = None  # a dataset on the Hugging Face hub; this uses the network
    subset: str | None = None
    split: str | None = None

    def __post_init__(self) -> None:
        if self.max_rows is not None and self.max_rows < 1:
            raise ConfigError(f"max_rows of a collection must be >= 1, got {self.max_rows}")

    @property
    def source(self) -> str:
        """The value of the column `source` of its prompts."""
        return self.name or self.kind

    @property
    def place(self) -> str:
        """The path or the name on the hub, for messages and the report."""
        return self.path or f"hub:{self.hub}"

    @property
    def chosen(self) -> set[str]:
        """The names of the settings that differ from their defaults."""
        values = write_settings(self)
        return {field.name for field in fields(self) if values[field.name] != field.default}
