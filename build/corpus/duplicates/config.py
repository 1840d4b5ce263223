"""The section `corpus.duplicates`, or the name of a preset -> settings of de-duplication."""

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
    """Settings of three steps; each step sees the rows that the step before kept.

    False or none switches a step off.
    """

    exact: bool = False  # drop prompts that differ only in case and punctuation
    minhash: float | None = None  # lowest Jaccard similarity of words and word pairs to drop
    permutations: int = 128  # of MinHash: more miss fewer pairs and take longer
    cosine: float | None = None  # lowest cosine to drop; none uses `corpus.dedupe_threshold`
    exact_rows: int = 200_000  # prompts; above, an approximate index is searched
    probe: int = 32  # cells of that index to search per prompt

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, value: Any) -> Any:
        return with_preset(value, PRESETS, "duplicates")

    @property
    def by_words(self) -> bool:
        """Whether a step compares words, before prompts are encoded."""
        return self.exact or self.minhash is not None

    def __post_init__(self) -> None:
        if self.minhash is not None and not 0.5 <= self.minhash <= 1.0:
            raise ConfigError(f"duplicates.minhash must be from 0.5 to 1, got {self.minhash}")
        if self.cosine is not None and not self.cosine > 0.0:
            raise ConfigError(f"duplicates.cosine must be over 0, got {self.cosine}")
        for name, least in (("permutations", 16), ("exact_rows", 0), ("probe", 1)):
            if getattr(self, name) < least:
                raise ConfigError(
                    f"duplicates.{name} must be >= {least}, got {getattr(self, name)}"
                )
