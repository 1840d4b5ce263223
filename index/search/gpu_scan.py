"""All keys of an index on the GPUs that FAISS sees: queries (q, d_image) -> the k nearest, exact.

The codes that a processor is fast with (fs) cannot be searched on a GPU. It needs none: all keys
as float16 in its memory are multiplied with a batch at once.
"""

from collections.abc import Sequence
from threading import Lock
from typing import Any

import numpy as np

from unprompt.index.base.errors import ConfigError
from unprompt.index.search.refine import KeyScores, refine
from unprompt.index.vectors.faiss_library import count_gpus, load_faiss
from unprompt.index.vectors.transforms import apply_transforms, key_blocks, sample_rows

MOST = 2048  # rows that FAISS returns of a search on a GPU
CHECKED = 8  # rows that have to find themselves
TOLERANCE = 2e-3  # of a score whose key was rounded to float16
LEAVE = "leave the search to the processor (without --gpu-search)"


class Scan:
    """All keys, after the transforms of an index, spread over exact FAISS indexes, one a device."""

    def __init__(self, scores: KeyScores, devices: Sequence[Any]):
        """`devices` are empty indexes of d numbers by inner product; each gets as many rows.

        Raises RuntimeError where they have too little memory, or do not find what is in them.
        """
        count = len(scores.keys)
        self._scores = scores
        self._devices = devices[:count]
        self._bounds = [count * n // len(self._devices) for n in range(len(self._devices) + 1)]
        self._one_search = Lock()  # a GPU's working memory is not for two threads
        for first, block in key_blocks(scores.keys, scores.steps):
            self._add(first, block)
        self._check()

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Exact scores (q, k) and rows (q, k) of queries (q, d_image); k is at most MOST and n."""
        asked = apply_transforms(self._scores.steps, queries)
        with self._one_search:
            found = [device.search(asked, min(k, device.ntotal))[1] for device in self._devices]
        starts = self._bounds[:-1]
        rows = np.hstack([own + start for own, start in zip(found, starts, strict=True)])
        return refine(queries, rows, self._scores, k)

    def _add(self, first: int, block: np.ndarray) -> None:
        for place, device in enumerate(self._devices):
            start, stop = (
                min(max(0, bound - first), len(block)) for bound in self._bounds[place : place + 2]
            )
            if stop > start:
                device.add(np.ascontiguousarray(block[start:stop]))

    def _check(self) -> None:
        rows = sample_rows(len(self._scores.keys), CHECKED)
        queries = np.asarray(self._scores.keys[rows], dtype=np.float32)
        found = self.search(queries, 1)[0][:, 0]
        if not np.all(found >= self._scores(queries, rows[:, None])[:, 0] - TOLERANCE):
            raise RuntimeError("rows do not find themselves")


def scan_all(scores: KeyScores, devices: Sequence[Any] | None = None) -> Scan:
    """All keys on all GPUs, as float16, or on the empty indexes that are given.

    Raises ConfigError where there is none, too little memory, or wrong results.
    """
    rows, dim = len(scores.keys), _width(scores)
    wanted = f"{rows} keys of {dim} numbers, {2 * rows * dim / 2**30:.1f} GiB as float16"
    try:
        return Scan(scores, _exact_on_gpus(dim) if devices is None else devices)
    except (RuntimeError, AttributeError) as error:
        raise ConfigError(f"the GPUs cannot search {wanted}: {error}; {LEAVE}") from error


def _exact_on_gpus(dim: int) -> list[Any]:
    """An empty index on every GPU."""
    count, faiss = count_gpus(), load_faiss()
    if count == 0:
        raise ConfigError(
            "a search on the GPU needs one that FAISS sees, and there is none; on a machine with "
            "an NVIDIA GPU run `pip uninstall faiss-cpu` and `pip install 'unprompt[gpu]'`, or "
            f"{LEAVE}"
        )
    found = []
    for number in range(count):
        config = faiss.GpuIndexFlatConfig()
        config.device = number
        config.useFloat16 = True
        found.append(faiss.GpuIndexFlatIP(faiss.StandardGpuResources(), dim, config))
    return found


def _width(scores: KeyScores) -> int:
    return int(apply_transforms(scores.steps, np.asarray(scores.keys[:1])).shape[1])
