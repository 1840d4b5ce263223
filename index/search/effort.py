"""How far a search looks: the settings of an index that trade time for recall."""

from collections.abc import Sequence
from typing import Any

from pydantic.dataclasses import dataclass

from unprompt.index.base.settings import STRICT
from unprompt.index.vectors.faiss_library import load_faiss
from unprompt.index.vectors.transforms import (
    inner_index,
)


@dataclass(frozen=True, config=STRICT)
class Effort:
    """How far a search looks; None where the index has no such thing."""

    nprobe: int | None = None  # lists that are looked into
    ef_search: int | None = None  # breadth in a graph
    refine: int = 0  # candidates a row, scored exactly by the stored keys; 0: scores of the codes


UNMEASURED_GRAPH = 512


def set_effort(vectors: Any, effort: Effort) -> None:
    """How far a search looks; FAISS saves it with the index."""
    if effort.nprobe is not None:
        load_faiss().try_extract_index_ivf(vectors).nprobe = effort.nprobe
    if effort.ef_search is not None:
        inner_index(vectors).hnsw.efSearch = effort.ef_search


def unmeasured_effort(vectors: Any, refines: Sequence[int]) -> Effort:
    """Without queries: an eighth of the lists, a wide search of a graph, most candidates."""
    faiss = load_faiss()
    lists = faiss.try_extract_index_ivf(vectors)
    graph = isinstance(inner_index(vectors), faiss.IndexHNSW)
    return Effort(
        nprobe=None if lists is None else max(1, lists.nlist // 8),
        ef_search=UNMEASURED_GRAPH if graph else None,
        refine=max(refines),
    )
