"""A FAISS factory string and keys (n, d_image) -> a trained and filled index, in bounded memory.

Training looks at a sample, filling at a block of keys at a time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from unprompt.index.base.errors import UnpromptError
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.vectors.faiss_library import count_gpus, load_faiss
from unprompt.index.vectors.matrix import Matrix
from unprompt.index.vectors.transforms import (
    gather_keys,
    inner_index,
    key_blocks,
    sample_rows,
    transforms,
)

# Keys that repeat leave directions without variance, which float32 finds as about 0, even below:
# whitening would divide by the root of that, and every search would come back empty.
FLAT_DIRECTION = 2e-6  # variance of a direction, of unit vectors
SAMPLE = 65_536  # rows that transforms and codes are trained on
LIST_SAMPLE = 48  # training rows a list; FAISS wants 39 at least, and 40 were found enough
LIST_ROUNDS = 10  # of k-means


def fill(factory: str, keys: Matrix, progress: Progress = SILENT) -> Any:
    """Train an index on a sample of the keys and add all of them; row i gets the id i.

    Raises UnpromptError where FAISS cannot build it.
    """
    return add_keys(train(factory, keys, progress), factory, keys, progress)


def train(factory: str, keys: Matrix, progress: Progress = SILENT) -> Any:
    """An empty index, trained on a sample of the keys.

    Raises UnpromptError where FAISS cannot build it.
    """
    with _explained(factory, keys):
        return _train(factory, keys, progress)


def add_keys(vectors: Any, factory: str, keys: Matrix, progress: Progress = SILENT) -> Any:
    """A trained index with all keys, a block at a time; raises UnpromptError where FAISS fails."""
    with _explained(factory, keys):
        for start, block in key_blocks(keys):
            progress.detail(f"{start:,} of {len(keys):,} rows added")
            vectors.add(block)
        progress.detail("")
    return vectors


@contextmanager
def _explained(factory: str, keys: Matrix) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise UnpromptError(
            f"FAISS cannot build the factory string {factory!r} on {keys.shape[0]} keys of "
            f"{keys.shape[1]} numbers: {error}; set another `index.factory`"
        ) from error


def _train(factory: str, keys: Matrix, progress: Progress) -> Any:
    faiss = load_faiss()
    vectors = faiss.index_factory(keys.shape[1], factory, faiss.METRIC_INNER_PRODUCT)
    _train_transforms(vectors, keys)
    steps, inner = transforms(vectors), inner_index(vectors)
    lists = faiss.try_extract_index_ivf(inner)
    wanted = SAMPLE if lists is None else max(SAMPLE, LIST_SAMPLE * lists.nlist)
    sample = gather_keys(keys, sample_rows(len(keys), wanted), steps)
    if lists is not None:
        lists.cp.niter = LIST_ROUNDS
        lists.cp.max_points_per_centroid = LIST_SAMPLE
        _train_on_gpu(lists, sample, progress)
    inner.train(sample)
    vectors.is_trained = True
    return vectors


def _train_transforms(vectors: Any, keys: Matrix) -> None:
    """One after the other, each on what those before it leave."""
    faiss = load_faiss()
    sample = gather_keys(keys, sample_rows(len(keys), SAMPLE), ())
    for step in transforms(vectors):
        if not step.is_trained:
            step.train(sample)
        if isinstance(step, faiss.PCAMatrix) and step.eigen_power < 0:
            floor = FLAT_DIRECTION * len(sample)
            if _smallest_eigenvalue(step) < floor:
                step.epsilon = floor  # added to the eigenvalues that whitening divides by
                step.train(sample)
            # all (d, d) eigenvectors, of which the trained map needs no more: megabytes in the file
            step.PCAMat.clear()
        sample = step.apply(sample)


def _smallest_eigenvalue(whitening: Any) -> float:
    """Of the directions that are kept, summed over all keys."""
    return float(load_faiss().vector_to_array(whitening.eigenvalues)[: whitening.d_out].min())


def _train_on_gpu(lists: Any, sample: np.ndarray, progress: Progress) -> None:
    """The centroids of the lists, on the GPUs where FAISS sees any; the rest stays on the CPU."""
    faiss = load_faiss()
    if count_gpus() == 0:
        return
    try:
        lists.clustering_index = faiss.index_cpu_to_all_gpus(
            faiss.IndexFlat(lists.d, lists.metric_type)
        )
        lists.train_q1(len(sample), faiss.swig_ptr(sample), False, lists.metric_type)
    except (RuntimeError, AttributeError, NameError) as error:
        lists.quantizer.reset()
        progress.note(f"index: the GPU cannot train the lists ({error}); the CPU does")
    finally:
        lists.clustering_index = None
