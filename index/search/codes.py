"""A trained index and keys (n, d_image) -> codes (n, c) uint8, which a copy of it takes in later.

Codes of different rows are made apart, by several processes or after a kill; put together in order
they give the bytes that adding the keys themselves would have given. Only lists are coded so: what
has none is filled as fast as it is read.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from unprompt.index.vectors.faiss_library import load_faiss
from unprompt.index.vectors.transforms import inner_index, key_blocks, transforms


class Coder:
    """The codes of one trained index, which is empty."""

    def __init__(self, trained: Any):
        self._trained = trained
        self._steps = transforms(trained)
        self._lists = _plain_lists(inner_index(trained))

    @staticmethod
    def can_code(vectors: Any) -> bool:
        """Whether an index of this kind can be filled by codes."""
        faiss = load_faiss()
        kinds = (faiss.IndexIVFScalarQuantizer, faiss.IndexIVFFlat, faiss.IndexIVFPQ)
        return isinstance(inner_index(vectors), (*kinds, faiss.IndexIVFPQFastScan))

    def encode(self, keys: np.ndarray) -> np.ndarray:
        """Keys (n, d_image) -> (n, c) uint8: the number of its list, then its code in it."""
        blocks = [self._lists.sa_encode(block) for _, block in key_blocks(keys, self._steps)]
        return np.concatenate(blocks)

    def fill(self, parts: Iterable[np.ndarray], first: int = 0) -> Any:
        """The index with all codes (n_i, c), in the order of the rows; these count from `first`."""
        count = 0
        for codes in parts:
            ids = np.arange(first + count, first + count + len(codes), dtype=np.int64)
            self._lists.add_sa_codes(np.ascontiguousarray(codes), ids)
            count += len(codes)
        inner = inner_index(self._trained)
        if isinstance(inner, load_faiss().IndexIVFPQFastScan):
            _take_packed(inner, self._lists)
        self._trained.ntotal = inner.ntotal = count
        return self._trained


def _plain_lists(inner: Any) -> Any:
    """The lists themselves; of packed codes (fs) a twin that shares all but these.

    FAISS 1.15 overwrites its own memory where packed lists are merged or given codes.
    """
    faiss = load_faiss()
    if not isinstance(inner, faiss.IndexIVFPQFastScan):
        return inner
    bits, pieces = inner.pq.nbits, inner.pq.M
    twin = faiss.IndexIVFPQ(inner.quantizer, inner.d, inner.nlist, pieces, bits, inner.metric_type)
    twin.own_fields = False
    twin.pq, twin.by_residual, twin.is_trained = inner.pq, inner.by_residual, True
    return twin


def _take_packed(packed: Any, plain: Any) -> None:
    """Give `packed` the lists of its plain twin, packed as it keeps them."""
    made = load_faiss().IndexIVFPQFastScan(plain, packed.bbs)
    packed.replace_invlists(made.invlists, True)
    made.own_invlists = False
