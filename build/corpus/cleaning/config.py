"""The section `corpus.clean`, or the name of a preset -> the rules that clean prompts."""

from typing import Any, Literal

from pydantic import model_validator
from pydantic.dataclasses import dataclass

from unprompt.index.base.errors import ConfigError
from unprompt.index.base.settings import STRICT, with_preset
from unprompt.index.base.terms import ARTISTS

Handling = Literal["keep", "strip", "drop"]

PRESETS: dict[str, dict[str, Any]] = {
    "light": {},  # only syntax of programs and web addresses
    # English prompts of Stable Diffusion users that fit its 77 tokens
    "stable-diffusion": {
        "language": "english",
        "min_ascii_letters": 0.9,
        "min_words": 3,
        "max_tokens": 77,
        "max_dashes": 5,
        "max_by": 3,
        "max_repeated_words": 0.55,
    },
}


@dataclass(frozen=True, config=STRICT)
class CleanConfig:
    """Rules in the order of their application; false, none or `keep` switches a rule off."""

    # rewriting rules
    tags: bool = True  # <lora:...>, <hypernet:...>, embedding:..., <one-word>
    flags: bool = True  # --ar 16:9, --v 5, cat::2, -s 50, !dream
    weights: bool = True  # (word:1.3), ((word)), [word], {word}
    urls: Handling = "strip"
    artists: Handling = "keep"  # the names in `artist_names`
    artist_names: tuple[str, ...] = (ARTISTS,)  # `artists`, files with one name per line, or names
    repeated_phrases: bool = True  # keep only the first of equal phrases between commas
    # dropping rules
    language: Literal["any", "english"] = "any"  # decided by function words: language.py
    min_ascii_letters: float | None = None  # lowest share of A-Z among the letters
    min_words: int = 1
    max_words: int | None = None
    max_tokens: int | None = None  # of CLIP, with start and end token; CLIP reads 77
    max_dashes: int | None = None
    max_by: int | None = None  # occurrences of the word "by"
    max_repeated_words: float | None = None  # highest share of words that repeat an earlier word
    max_nsfw: float | None = None  # highest score in `nsfw_column`, if the file has it
    nsfw_column: str = "nsfw"

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, value: Any) -> Any:
        return with_preset(value, PRESETS, "clean")

    @property
    def rewrites(self) -> bool:
        """Whether any rewriting rule is on."""
        strips = "strip" in (self.urls, self.artists)
        return strips or self.tags or self.flags or self.weights or self.repeated_phrases

    def __post_init__(self) -> None:
        if self.max_words is not None and self.max_words < self.min_words:
            raise ConfigError(
                f"clean.max_words must be >= clean.min_words, got {self.max_words} and "
                f"{self.min_words}"
            )
        for name in ("min_ascii_letters", "max_repeated_words"):
            share = getattr(self, name)
            if share is not None and not 0.0 < share <= 1.0:
                raise ConfigError(f"clean.{name} must be above 0 and at most 1, got {share}")
        for name, least in (("min_words", 1), ("max_tokens", 3), ("max_dashes", 0), ("max_by", 0)):
            count = getattr(self, name)
            if count is not None and count < least:
                raise ConfigError(f"clean.{name} must be >= {least}, got {count}")
