"""All keys of an index on GPUs: queries (q, d_image) -> the k nearest rows (q, k), exactly.

FAISS cannot search fast-scan codes on a GPU. A GPU needs no codes: it multiplies a batch of queries
with all keys, held as float16 in its memory.
"""

from collections.abc import Sequence
from threading import Lock
from typing import Any

import numpy as np

from unprompt.index.base.errors import ConfigError
from unprompt.index.search.refine import KeyScores, refine
from unprompt.index.vectors.faiss_library import count_gpus, load_faiss
from unprompt.index.vectors.matrix import ChosenRows
from unprompt.index.vectors.transforms import apply_transforms, key_blocks, sample_rows

MAX_K = 2048  # rows per query that FAISS returns from a GPU
CHECKED_ROWS = 8  # that must find themselves
TOLERANCE = 2e-3  # of a score whose key was rounded to float16
REMEDY = "search on the processor (without --gpu-search)"


class GpuScan:
    """All keys, after the transforms of the index, split over exact FAISS indexes, one per device.

    Searches of several threads run one after the other.
    """

    def __init__(self, scores: KeyScores, devices: Sequence[Any]):
        """`devices` are empty inner-product indexes of d numbers; each gets as many rows.

        Raises RuntimeError where they have too little memory, or do not find their own rows.
        """
        count = len(scores.keys)
        self._scores = scores
        self._devices = devices[:count]
        bounds = [count * n // len(self._devices) for n in range(len(self._devices) + 1)]
        self._starts = bounds[:-1]
        self._lock = Lock()  # two threads cannot share a GPU's working memory
        for device, start, stop in zip(self._devices, bounds, bounds[1:], strict=False):
            keys = ChosenRows(scores.keys, np.arange(start, stop))
            for _, block in key_blocks(keys, scores.steps):
                device.add(block)
        self._check()

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Exact scores (q, k) and rows (q, k) of queries (q, d_image), k at most MAX_K and n."""
        transformed = apply_transforms(self._scores.steps, queries)
        with self._lock:
            found = [dev.search(transformed, min(k, dev.ntotal))[1] for dev in self._devices]
        rows = np.hstack([own + start for own, start in zip(found, self._starts, strict=True)])
        return refine(queries, rows, self._scores, k)

    def _check(self) -> None:
        rows = sample_rows(len(self._scores.keys), CHECKED_ROWS)
        queries = np.asarray(self._scores.keys[rows], dtype=np.float32)
        found = self.search(queries, 1)[0][:, 0]
        if not np.all(found >= self._scores(queries, rows[:, None])[:, 0] - TOLERANCE):
            raise RuntimeError("rows do not find themselves")


def scan_on_gpus(scores: KeyScores, devices: Sequence[Any] | None = None) -> GpuScan:
    """Copy all keys to all GPUs as float16, or to the empty indexes that are given.

    Raises ConfigError where there is no GPU, too little memory, or wrong results.
    """
    rows = len(scores.keys)
    dim = apply_transforms(scores.steps, np.asarray(scores.keys[:1])).shape[1]
    wanted = f"{rows} keys of {dim} numbers, {2 * rows * dim / 2**30:.1f} GiB as float16"
    try:
        return GpuScan(scores, _exact_on_gpus(dim) if devices is None else devices)
    except (RuntimeError, AttributeError) as error:
        raise ConfigError(f"the GPUs cannot search {wanted}: {error}; {REMEDY}") from error


def _exact_on_gpus(dim: int) -> list[Any]:
    """An empty index on every GPU."""
    count, faiss = count_gpus(), load_faiss()
    if count == 0:
        raise ConfigError(
            "a search on the GPU needs one that FAISS sees, and there is none; on a machine with "
            "an NVIDIA GPU run `pip uninstall faiss-cpu` and `pip install 'unprompt[gpu]'`, or "
            f"{REMEDY}"
        )
    found = []
    for number in range(count):
        config = faiss.GpuIndexFlatConfig()
        config.device = number
        config.useFloat16 = True
        found.append(faiss.GpuIndexFlatIP(faiss.StandardGpuResources(), dim, config))
    return found
