"""Search effort: the settings of a FAISS index that trade time for recall, and their cost."""

from collections.abc import Sequence
from typing import Any

from pydantic.dataclasses import dataclass

from unprompt.index.base.settings import STRICT
from unprompt.index.vectors.faiss_library import load_faiss
from unprompt.index.vectors.transforms import inner_index

EF_SEARCH = (64, 96, 128, 192, 256, 384, 512, 768, 1024, 2048, 4096)
MAX_PROBED = 0.25  # share of the lists: from here an exact scan is as fast
UNMEASURED_EF_SEARCH = 512
UNMEASURED_PROBED = 8  # one list of so many is probed
# Nanoseconds to compare a byte of code, to read a stored key, to multiply two of its numbers.
SCAN_NS, READ_KEY_NS, PRODUCT_NS = 0.1, 1000.0, 0.01


@dataclass(frozen=True, config=STRICT)
class Effort:
    """How far a search looks; None where the index has no such setting."""

    nprobe: int | None = None  # inverted lists that are searched
    ef_search: int | None = None  # candidates that a graph search holds
    refine: int = 0  # candidates per returned row, rescored by stored keys; 0: scores of the codes


@dataclass(frozen=True, config=STRICT)
class Recall:
    """Share of the exact k nearest keys that the index returns, on held-out queries."""

    k: int
    value: float
    queries: int
    generation: int = 1  # of the index, when it was measured


@dataclass(frozen=True, config=STRICT)
class TriedIndex:
    """An index that was built, and the recall it reached."""

    factory: str
    recall: float
    effort: Effort


def set_effort(vectors: Any, effort: Effort) -> None:
    """Set nprobe and efSearch of a FAISS index, which FAISS saves with it."""
    if effort.nprobe is not None:
        load_faiss().try_extract_index_ivf(vectors).nprobe = effort.nprobe
    if effort.ef_search is not None:
        inner_index(vectors).hnsw.efSearch = effort.ef_search


def probe_all_lists(vectors: Any) -> dict[str, Any]:
    """The options of one search that probe every list; none for an index without lists.

    The index itself does not change, so other threads may search it meanwhile.
    """
    faiss = load_faiss()
    ivf = faiss.try_extract_index_ivf(vectors)
    if ivf is None:
        return {}
    options = faiss.SearchParametersIVF(nprobe=ivf.nlist)
    if isinstance(faiss.downcast_index(vectors), faiss.IndexPreTransform):
        options = faiss.SearchParametersPreTransform(index_params=options)
    return {"params": options}


def efforts_to_try(vectors: Any, max_probed: float) -> list[Effort]:
    """Rising efforts, without refinement, that probe at most a share `max_probed` of the lists."""
    faiss = load_faiss()
    ivf = faiss.try_extract_index_ivf(vectors)
    if ivf is not None:
        most = max(1, int(max_probed * ivf.nlist))
        powers = [1 << place for place in range(most.bit_length())]
        probes = sorted({most, *powers, *(3 * power // 2 for power in powers)})
        return [Effort(nprobe=count) for count in probes if count <= most]
    if isinstance(inner_index(vectors), faiss.IndexHNSW):
        return [Effort(ef_search=breadth) for breadth in EF_SEARCH]
    return [Effort()]


def unmeasured_effort(vectors: Any, refines: Sequence[int]) -> Effort:
    """The effort where no queries measure recall: ample, with the greatest refinement factor."""
    faiss = load_faiss()
    ivf = faiss.try_extract_index_ivf(vectors)
    graph = isinstance(inner_index(vectors), faiss.IndexHNSW)
    return Effort(
        nprobe=None if ivf is None else max(1, ivf.nlist // UNMEASURED_PROBED),
        ef_search=UNMEASURED_EF_SEARCH if graph else None,
        refine=max(refines),
    )


def cost_ns(vectors: Any, effort: Effort, k: int) -> float:
    """Estimated nanoseconds per query: codes that are scanned, stored keys that are rescored."""
    ivf = load_faiss().try_extract_index_ivf(vectors)
    cost = float(effort.ef_search or 0)
    if ivf is not None and effort.nprobe:
        scanned = vectors.ntotal * effort.nprobe / ivf.nlist
        cost += SCAN_NS * scanned * ivf.code_size
    key_ns = READ_KEY_NS + PRODUCT_NS * vectors.d * inner_index(vectors).d
    return cost + effort.refine * k * key_ns
