"""A mapping or a preset's name -> how near-duplicates are found."""

from typing import Any

from pydantic import model_validator
from pydantic.dataclasses import dataclass

from unprompt.index.base.errors import ConfigError
from unprompt.index.base.settings import STRICT, with_preset

PRESETS: dict[str, dict[str, Any]] = {
    "kaggle-1st": {"exact": True, "minhash": 0.9, "cosine": 0.8},
    "kaggle-5th": {"exact": True, "minhash": 0.9, "cosine": 0.9},  # as the 6th and 12th
}


@dataclass(frozen=True, config=STRICT)
class DuplicatesConfig:
    """Three steps, each over what the one before has kept; false or none switches one off."""

    exact: bool = False  # prompts that differ in case and punctuation alone
    minhash: float | None = None  # Jaccard similarity of words and word pairs
    permutations: int = 128  # of minhash: more find more, and take longer
    cosine: float | None = None  # of the vectors; none leaves it to `corpus.dedupe_threshold`
    exact_rows: int = 200_000  # above so many the nearest by cosine are looked for, not computed
    probe: int = 32  # cells of the index that are looked into for a prompt, above `exact_rows`

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, value: Any) -> Any:
        return with_preset(value, PRESETS, "duplicates")

    @property
    def by_words(self) -> bool:
        """Whether prompts are compared before there are vectors."""
        return self.exact or self.minhash is not None

    def __post_init__(self) -> None:
        if self.minhash is not None and not 0.5 <= self.minhash <= 1.0:
            raise ConfigError(f"duplicates.minhash must lie in 0.5 to 1, got {self.minhash}")
        if self.cosine is not None and not self.cosine > 0.0:
            raise ConfigError(f"duplicates.cosine must be over 0, got {self.cosine}")
        for name, least in (("permutations", 16), ("exact_rows", 0), ("probe", 1)):
            if getattr(self, name) < least:
                raise ConfigError(
                    f"duplicates.{name} must be >= {least}, got {getattr(self, name)}"
                )
