"""Row count and dimension -> a FAISS factory string."""

from pydantic.dataclasses import dataclass

from unprompt.index.errors import ConfigError
from unprompt.index.settings import STRICT

EXACT_LIMIT = 200_000  # rows; up to here scanning all of them is the fastest batch search too


@dataclass(frozen=True, config=STRICT)
class IndexConfig:
    """How the index is built. `factory` overrides the choice by size."""

    factory: str | None = None
    whiten: int = 256  # PCA-whitened dimensions kept of the keys; 0 leaves keys as they are
    recall_k: int = 50
    recall: float = 0.95  # recall@recall_k that an index with lists is tuned to
    max_rows: int | None = None  # train rows kept, drawn by their ids; none keeps all
    keep_keys: bool = True  # as float16 on disk: for exact scores, merging and rebuilding

    def __post_init__(self) -> None:
        if self.whiten < 0 or self.recall_k < 1:
            raise ConfigError(
                f"index.whiten must be >= 0 and index.recall_k >= 1, got {self.whiten} and "
                f"{self.recall_k}"
            )
        if self.max_rows is not None and self.max_rows < 1:
            raise ConfigError(f"index.max_rows must be >= 1 or none, got {self.max_rows}")


def choose_factory(rows: int, dim: int, config: IndexConfig) -> str:
    """The factory string for `rows` keys of `dim` numbers.

    Whitening (Jegou & Chum 2012) spreads the few directions that all pictures share, so that the
    cosine of two keys tells pictures apart; it needs more rows than the dimensions it keeps.
    """
    if config.factory is not None:
        return config.factory
    kept = min(config.whiten, dim, rows // 4)
    transform = f"PCAW{kept},L2norm," if kept >= 8 else ""
    if rows <= EXACT_LIMIT:
        return f"{transform}SQ8" if transform else "Flat"
    return f"{transform}IVF{_lists(rows)},SQ8"


def _lists(rows: int) -> int:
    return 1 << (round(4 * rows**0.5) - 1).bit_length()
