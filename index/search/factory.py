"""Row count, dimension and memory budget -> the kinds of index to try, each with its size.

Nothing is built: `index_size` says what a kind takes, and what does not fit is not tried.
"""

from dataclasses import dataclass as plain_dataclass
from dataclasses import replace
from typing import Literal

from pydantic.dataclasses import dataclass

from unprompt.index.base.errors import ConfigError
from unprompt.index.base.settings import STRICT
from unprompt.index.search.memory import index_size, read_bytes, show_bytes

EXACT_LIMIT = 200_000  # rows; up to here scanning all of them is a fast batch search, and exact
MANY = 20_000_000  # rows; from here centroids are found by a graph, and codes are rotated first
POINTS = 39  # rows a list at least
REFINED = {"PQ": (4, 10), "RaBitQ": (4, 10), "SQ4": (2, 4, 10), "SQ6": (0, 2, 4), "SQ8": (0, 2, 4)}
DISK_CODES = ("SQ8", "SQ6", "SQ4", "SQfp16", "Flat")  # that lists on disk can hold
SHARE = 0.25  # of the lists that a kind of ours probes at most: then scanning all is as fast
SMALLER = (256, 128, 64, 32)  # dimensions to keep where memory is short


@dataclass(frozen=True, config=STRICT)
class IndexConfig:
    """How the index is built. `factory` overrides the choice by size."""

    factory: str | None = None
    whiten: int = 256  # PCA-whitened dimensions kept of the keys; 0 leaves keys as they are
    recall_k: int = 50
    recall: float = 0.95  # recall@recall_k that the search is tuned to
    max_rows: int | None = None  # train rows kept, drawn by their ids; none keeps all
    keep_keys: bool = True  # as float16 on disk: for exact scores, merging and rebuilding
    memory: int | str | None = None  # that a loaded index may take: bytes or 4G; none: any
    prefer: Literal["throughput", "latency"] = "throughput"  # latency: a graph, slow to build

    def __post_init__(self) -> None:
        if self.whiten < 0 or self.recall_k < 1 or not 0 < self.recall <= 1:
            raise ConfigError(
                f"index.whiten must be >= 0, index.recall_k >= 1 and index.recall above 0 and at "
                f"most 1, got {self.whiten}, {self.recall_k} and {self.recall}"
            )
        if self.max_rows is not None and self.max_rows < 1:
            raise ConfigError(f"index.max_rows must be >= 1 or none, got {self.max_rows}")
        if self.memory is not None:
            read_bytes(self.memory, "index.memory")


@plain_dataclass(frozen=True)
class IndexChoice:
    """A kind of index, before it is built."""

    factory: str
    refine: tuple[int, ...]  # factors to try: candidates a row that are scored exactly; 0: none
    file_bytes: int | None  # None where no size is known for a factory string that was given
    memory_bytes: int | None  # loaded; keys and targets stay on disk
    on_disk: bool = False  # its lists too: a search reads those that it probes

    @property
    def shown(self) -> str:
        """For people."""
        size = "unknown size" if self.memory_bytes is None else show_bytes(self.memory_bytes)
        if self.on_disk:
            return (
                f"{self.factory} ({size}, and {show_bytes(self.file_bytes or 1)} of lists on disk)"
            )
        return f"{self.factory} ({size})"


def choose_index(
    rows: int, dim: int, config: IndexConfig, measured: bool = True
) -> tuple[IndexChoice, ...]:
    """The kinds to build for `rows` keys of `dim` numbers, in the order to try them.

    `measured`: there are queries to tell whether a kind reaches `config.recall`; where there are
    none, codes that need it are left out. Raises ConfigError where the budget is too small, with
    the kinds that would fit.
    """
    budget = None if config.memory is None else read_bytes(config.memory, "index.memory")
    if config.factory is not None:
        kinds = [config.factory]
    else:
        kinds = _kinds(rows, dim, config, measured)
    choices = [_choice(kind, rows, dim, config, budget is not None) for kind in kinds]
    fitting = tuple(found for choice in choices if (found := _fitted(choice, budget, dim)))
    if not fitting:
        raise ConfigError(_refusal(choices[0], rows, dim, config))
    return fitting


def choose_factory(rows: int, dim: int, config: IndexConfig) -> str:
    """The factory string that is tried first."""
    return config.factory or choose_index(rows, dim, config)[0].factory


def _kinds(rows: int, dim: int, config: IndexConfig, measured: bool) -> list[str]:
    """From the one wanted to the one that is exact, then those that only a budget makes sense of.

    Whitening (Jegou & Chum 2012) spreads the few directions that all pictures share, so that the
    cosine of two keys tells pictures apart; it needs more rows than the dimensions it keeps.
    """
    kept = min(config.whiten, dim, rows // 4)
    front = f"PCAW{kept},L2norm," if kept >= 8 else ""
    width = kept if front else dim
    flat, scalar = f"{front}Flat", f"{front}SQ8"
    listed = [f"{front}{_lists(rows)},SQ8"]
    if config.keep_keys and measured:
        listed.insert(0, front + _fast(rows, width))
    graph = [f"{front}HNSW32"] if config.prefer == "latency" else []
    if rows <= EXACT_LIMIT:
        # a batch of flat keys is a matrix product; one query alone reads a quarter of it as bytes
        exact = [scalar, flat] if config.prefer == "latency" else [flat, scalar]
        return [*graph, *exact, *listed]
    return [*graph, *listed, scalar, flat]


def _fast(rows: int, width: int) -> str:
    """Codes of a bit a number, that registers look up; exact scores come from the stored keys."""
    pieces = next(count for count in range(max(1, width // 4), 0, -1) if width % count == 0)
    rotation = f"OPQ{pieces}," if rows > MANY else ""
    return f"{rotation}{_lists(rows)},PQ{pieces}x4fs"


def _lists(rows: int) -> str:
    """About four times as many lists as the root of the rows, each with enough rows to train on."""
    count = 1 << (round(4 * rows**0.5) - 1).bit_length()
    while count > 1 and count * POINTS > rows:
        count //= 2
    return f"IVF{count}_HNSW32" if rows > MANY else f"IVF{count}"


def _choice(kind: str, rows: int, dim: int, config: IndexConfig, sized: bool) -> IndexChoice:
    code = kind.split(",")[-1]
    factors = next((REFINED[name] for name in REFINED if code.startswith(name)), (0,))
    try:
        size = index_size(kind, rows, dim)
    except ConfigError:
        if sized or config.factory is None:
            raise
        return IndexChoice(kind, factors if config.keep_keys else (0,), None, None)
    refine = factors if config.keep_keys else (0,)
    return IndexChoice(kind, refine, size.file_bytes, size.memory_bytes)


def _fitted(choice: IndexChoice, budget: int | None, dim: int) -> IndexChoice | None:
    """As it is, or with its lists left on disk where only they are too large; None: too large."""
    if _fits(choice, budget):
        return choice
    parts = choice.factory.split(",")
    if not any(part.startswith("IVF") for part in parts) or parts[-1] not in DISK_CODES:
        return None
    left = index_size(choice.factory, 0, dim).memory_bytes
    on_disk = replace(choice, memory_bytes=left, on_disk=True)
    return on_disk if _fits(on_disk, budget) else None


def _fits(choice: IndexChoice, budget: int | None) -> bool:
    return budget is None or (choice.memory_bytes is not None and choice.memory_bytes <= budget)


def _refusal(wanted: IndexChoice, rows: int, dim: int, config: IndexConfig) -> str:
    """Why nothing is built, and up to four kinds that would fit, the largest first."""
    budget = read_bytes(config.memory or 0, "index.memory")
    kinds = set(_kinds(rows, dim, config, True))
    for kept in (size for size in SMALLER if size <= min(dim, rows // 4)):
        kinds.update(f"PCAW{kept},L2norm,{code}" for code in ("SQ8", _fast(rows, kept)))
    sized = [_choice(kind, rows, dim, config, True) for kind in kinds]
    sized.sort(key=lambda choice: -(choice.memory_bytes or 0))
    fitting = [choice.shown for choice in sized if _fits(choice, budget)][:4]
    mend = (
        f"what would fit: {', '.join(fitting)}; set `index.factory` to one of these"
        if fitting
        else f"the smallest known is {sized[-1].shown}; set `index.max_rows`"
    )
    return (
        f"index.memory is {show_bytes(budget)}, but {rows} keys of {dim} numbers as "
        f"{wanted.shown} do not fit; {mend}, or a larger `index.memory`"
    )
