"""Row count, dimension and memory budget -> the FAISS indexes to try, each with its size."""

from dataclasses import dataclass as plain_dataclass
from dataclasses import replace
from typing import Literal

from pydantic.dataclasses import dataclass

from unprompt.index.base.errors import ConfigError
from unprompt.index.base.settings import STRICT, format_bytes, parse_bytes
from unprompt.index.search.factory_string import parse_factory

MAX_EXACT_ROWS = 200_000  # up to here an exact scan is a fast batch search
HUGE_ROWS = 20_000_000  # from here a graph finds the centroids, and codes are rotated first
MIN_ROWS_PER_LIST = 39  # FAISS warns below that
# Refinement factors to try, by the start of a code's name: candidates per returned row that are
# rescored by their stored keys; 0 keeps the scores of the codes.
REFINE_FACTORS = {
    "PQ": (4, 10),
    "RaBitQ": (4, 10),
    "SQ4": (2, 4, 10),
    "SQ6": (0, 2, 4),
    "SQ8": (0, 2, 4),
}
DISK_CODES = ("SQ8", "SQ6", "SQ4", "SQfp16", "Flat")  # codes that lists on disk can hold
SMALLER_DIMS = (256, 128, 64, 32)  # whitened dimensions to suggest where memory is short


@dataclass(frozen=True, config=STRICT)
class IndexConfig:
    """How the index is built. `factory` overrides the choice by size."""

    factory: str | None = None
    whiten: int = 256  # PCA-whitened dimensions of the keys; 0 leaves keys as they are
    recall_k: int = 50
    recall: float = 0.95  # recall@recall_k that the search is tuned to
    max_rows: int | None = None  # maximum train rows, drawn by their ids; none: no limit
    keep_keys: bool = True  # as float16 on disk: for exact scores, merging and rebuilding
    memory: int | str | None = None  # maximum size of a loaded index: bytes or 4G; none: no limit
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
            parse_bytes(self.memory, "index.memory")


@plain_dataclass(frozen=True)
class IndexChoice:
    """A FAISS index to try, before it is built."""

    factory: str
    refine: tuple[int, ...]  # refinement factors to try
    file_bytes: int | None  # None where the size of a given factory string is not known
    memory_bytes: int | None  # once loaded; keys and targets stay on disk
    on_disk: bool = False  # whether its lists stay on disk too: a search reads those it probes

    @property
    def summary(self) -> str:
        """The factory string and its size, for people."""
        size = "unknown size" if self.memory_bytes is None else format_bytes(self.memory_bytes)
        if self.on_disk:
            size += f", and {format_bytes(self.file_bytes or 1)} of lists on disk"
        return f"{self.factory} ({size})"


def choose_index(
    rows: int, dim: int, config: IndexConfig, measured: bool = True
) -> tuple[IndexChoice, ...]:
    """The indexes to build for `rows` keys of `dim` numbers, in the order to try them.

    `measured`: whether held-out queries will measure `config.recall`; without them, codes that need
    a measured recall are left out. Raises ConfigError where the memory budget is too small, with
    the factory strings that fit.
    """
    if config.factory is not None:
        factories = [config.factory]
    else:
        factories = _candidates(rows, dim, config, measured)
    choices = [_choice(factory, rows, dim, config) for factory in factories]
    fitting = tuple(fitted for choice in choices if (fitted := _fitted(choice, config, dim)))
    if not fitting:
        raise ConfigError(_refusal(choices[0], rows, dim, config))
    return fitting


def choose_factory(rows: int, dim: int, config: IndexConfig) -> str:
    """The factory string that is tried first."""
    return config.factory or choose_index(rows, dim, config)[0].factory


def _candidates(rows: int, dim: int, config: IndexConfig, measured: bool) -> list[str]:
    """Factory strings: the preferred one, slower ones up to an exact scan, then budget choices.

    Whitening (Jegou & Chum 2012) spreads the few directions that all images share, so that the
    cosine of two keys tells images apart; it needs more rows than the dimensions it keeps.
    """
    whitened = min(config.whiten, dim, rows // 4)
    front = f"PCAW{whitened},L2norm," if whitened >= 8 else ""
    width = whitened if front else dim
    flat, scalar = f"{front}Flat", f"{front}SQ8"
    listed = [f"{front}{_lists(rows)},SQ8"]
    if config.keep_keys and measured:
        listed.insert(0, front + _fast_scan(rows, width))
    graph = [f"{front}HNSW32"] if config.prefer == "latency" else []
    if rows <= MAX_EXACT_ROWS:
        # a batch of flat keys is a matrix product; a single query reads a quarter as bytes
        exact = [scalar, flat] if config.prefer == "latency" else [flat, scalar]
        return [*graph, *exact, *listed]
    return [*graph, *listed, scalar, flat]


def _fast_scan(rows: int, width: int) -> str:
    """Codes of one bit per number, looked up in registers; stored keys give exact scores."""
    subquantizers = next(count for count in range(max(1, width // 4), 0, -1) if width % count == 0)
    rotation = f"OPQ{subquantizers}," if rows > HUGE_ROWS else ""
    return f"{rotation}{_lists(rows)},PQ{subquantizers}x4fs"


def _lists(rows: int) -> str:
    """About four times the square root of the rows, each list with enough rows to train on."""
    count = 1 << (round(4 * rows**0.5) - 1).bit_length()
    while count > 1 and count * MIN_ROWS_PER_LIST > rows:
        count //= 2
    return f"IVF{count}_HNSW32" if rows > HUGE_ROWS else f"IVF{count}"


def _choice(factory: str, rows: int, dim: int, config: IndexConfig) -> IndexChoice:
    """Raises ConfigError where the size is not known but has to fit a budget."""
    parsed = parse_factory(factory)
    factors = [REFINE_FACTORS[name] for name in REFINE_FACTORS if parsed.code.startswith(name)]
    refine = factors[0] if factors and config.keep_keys and not parsed.refinement else (0,)
    try:
        size = parsed.size_bytes(rows, dim)
    except ConfigError:
        if config.memory is not None or config.factory is None:
            raise
        return IndexChoice(factory, refine, None, None)
    return IndexChoice(factory, refine, size, size)


def _fitted(choice: IndexChoice, config: IndexConfig, dim: int) -> IndexChoice | None:
    """The choice within the budget, its lists left on disk if only they are too large, or None."""
    if _fits(choice, config):
        return choice
    parsed = parse_factory(choice.factory)
    if not parsed.lists or parsed.refinement or parsed.code not in DISK_CODES:
        return None
    on_disk = replace(choice, memory_bytes=parsed.size_bytes(0, dim), on_disk=True)
    return on_disk if _fits(on_disk, config) else None


def _fits(choice: IndexChoice, config: IndexConfig) -> bool:
    if config.memory is None:
        return True
    budget = parse_bytes(config.memory, "index.memory")
    return choice.memory_bytes is not None and choice.memory_bytes <= budget


def _refusal(wanted: IndexChoice, rows: int, dim: int, config: IndexConfig) -> str:
    """Why nothing is built, and up to four factory strings that would fit, the largest first."""
    factories = set(_candidates(rows, dim, config, True))
    for whitened in (size for size in SMALLER_DIMS if size <= min(dim, rows // 4)):
        front = f"PCAW{whitened},L2norm,"
        factories |= {f"{front}SQ8", front + _fast_scan(rows, whitened)}
    choices = [_choice(factory, rows, dim, config) for factory in factories]
    choices.sort(key=lambda choice: -(choice.memory_bytes or 0))
    fitting = [choice.summary for choice in choices if _fits(choice, config)][:4]
    mend = (
        f"what would fit: {', '.join(fitting)}; set `index.factory` to one of these"
        if fitting
        else f"the smallest known is {choices[-1].summary}; set `index.max_rows`"
    )
    budget = format_bytes(parse_bytes(config.memory or 0, "index.memory"))
    return (
        f"index.memory is {budget}, but {rows} keys of {dim} numbers as "
        f"{wanted.summary} do not fit; {mend}, or a larger `index.memory`"
    )
