"""A trained index and keys (n, d_image) -> codes (n, c) uint8, from which the index is filled.

Several processes can encode different rows, and a killed build keeps the codes that it wrote. Put
together in row order they give the same bytes as adding the keys. Only an index with inverted lists
is filled from codes: adding keys to any other costs no more than reading them.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from unprompt.index.vectors.faiss_library import load_faiss
from unprompt.index.vectors.transforms import inner_index, key_blocks, transforms


class Coder:
    """Encodes keys by one trained, empty index, and fills it from codes."""

    def __init__(self, trained: Any):
        self._trained = trained
        self._steps = transforms(trained)
        self._lists = _unpacked(inner_index(trained))

    @staticmethod
    def can_code(vectors: Any) -> bool:
        """Whether an index of this kind can be filled from codes."""
        faiss = load_faiss()
        kinds = (faiss.IndexIVFScalarQuantizer, faiss.IndexIVFFlat, faiss.IndexIVFPQ)
        return isinstance(inner_index(vectors), (*kinds, faiss.IndexIVFPQFastScan))

    def encode(self, keys: np.ndarray) -> np.ndarray:
        """Keys (n, d_image) -> (n, c) uint8: the number of the list, then the code within it."""
        blocks = [self._lists.sa_encode(block) for _, block in key_blocks(keys, self._steps)]
        return np.concatenate(blocks)

    def fill(self, blocks: Iterable[np.ndarray], first_id: int = 0) -> Any:
        """Add all codes (n_i, c), in row order, with ids from `first_id` on; returns the index."""
        count = 0
        for codes in blocks:
            ids = np.arange(first_id + count, first_id + count + len(codes), dtype=np.int64)
            self._lists.add_sa_codes(np.ascontiguousarray(codes), ids)
            count += len(codes)
        inner, faiss = inner_index(self._trained), load_faiss()
        if isinstance(inner, faiss.IndexIVFPQFastScan):
            packed = faiss.IndexIVFPQFastScan(self._lists, inner.bbs)
            inner.replace_invlists(packed.invlists, True)
            packed.own_invlists = False
        self._trained.ntotal = inner.ntotal = count
        return self._trained


def _unpacked(inner: Any) -> Any:
    """The index itself, or for fast-scan codes an index with the same training and plain codes.

    FAISS 1.15 overwrites its own memory when fast-scan lists are merged or given codes.
    """
    faiss = load_faiss()
    if not isinstance(inner, faiss.IndexIVFPQFastScan):
        return inner
    bits, subquantizers = inner.pq.nbits, inner.pq.M
    plain = faiss.IndexIVFPQ(
        inner.quantizer, inner.d, inner.nlist, subquantizers, bits, inner.metric_type
    )
    plain.own_fields = False
    plain.pq, plain.by_residual, plain.is_trained = inner.pq, inner.by_residual, True
    return plain
