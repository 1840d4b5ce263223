"""A FAISS factory string and keys (n, d_image) -> a trained and filled index, in bounded memory.

Training reads a sample of the keys, filling reads one block at a time.
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

# Repeated keys leave directions without variance, which float32 computes as about 0 or below 0.
# Whitening would divide by its root, and every search would return nothing.
MIN_VARIANCE = 2e-6  # per direction, of unit vectors
SAMPLE = 65_536  # rows that transforms and codes are trained on
LIST_SAMPLE = 48  # training rows per list; FAISS wants at least 39, and 40 were found enough
LIST_ROUNDS = 10  # of k-means


def fill(factory: str, keys: Matrix, progress: Progress = SILENT) -> Any:
    """Train an index on a sample of the keys and add all of them; row i gets the id i.

    Raises UnpromptError where FAISS cannot build it.
    """
    return add_keys(train(factory, keys, progress), factory, keys, progress)


def train(factory: str, keys: Matrix, progress: Progress = SILENT) -> Any:
    """An index without rows, trained on a sample of the keys.

    Raises UnpromptError where FAISS cannot build it.
    """
    with _explained(factory, keys):
        faiss = load_faiss()
        vectors = faiss.index_factory(keys.shape[1], factory, faiss.METRIC_INNER_PRODUCT)
        _train_transforms(vectors, keys)
        steps, inner = transforms(vectors), inner_index(vectors)
        ivf = faiss.try_extract_index_ivf(inner)
        wanted = SAMPLE if ivf is None else max(SAMPLE, LIST_SAMPLE * ivf.nlist)
        sample = gather_keys(keys, sample_rows(len(keys), wanted), steps)
        if ivf is not None:
            ivf.cp.niter = LIST_ROUNDS
            ivf.cp.max_points_per_centroid = LIST_SAMPLE
            _train_on_gpu(ivf, sample, progress)
        inner.train(sample)
        vectors.is_trained = True
    return vectors


def add_keys(vectors: Any, factory: str, keys: Matrix, progress: Progress = SILENT) -> Any:
    """Add all keys to a trained index; raises UnpromptError where FAISS fails."""
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


def _train_transforms(vectors: Any, keys: Matrix) -> None:
    """Train each transform on a sample that passed through those before it."""
    faiss = load_faiss()
    sample = gather_keys(keys, sample_rows(len(keys), SAMPLE), ())
    for step in transforms(vectors):
        if not step.is_trained:
            step.train(sample)
        if isinstance(step, faiss.PCAMatrix) and step.eigen_power < 0:
            floor = MIN_VARIANCE * len(sample)
            eigenvalues = faiss.vector_to_array(step.eigenvalues)[: step.d_out]  # summed over rows
            if eigenvalues.min() < floor:
                step.epsilon = floor  # added to the eigenvalues that whitening divides by
                step.train(sample)
            # The trained map does not need the (d, d) eigenvectors: megabytes in the file.
            step.PCAMat.clear()
        sample = step.apply(sample)


def _train_on_gpu(ivf: Any, sample: np.ndarray, progress: Progress) -> None:
    """Train the centroids of the lists on all GPUs that FAISS sees; the CPU trains the rest."""
    faiss = load_faiss()
    if count_gpus() == 0:
        return
    try:
        ivf.clustering_index = faiss.index_cpu_to_all_gpus(faiss.IndexFlat(ivf.d, ivf.metric_type))
        ivf.train_q1(len(sample), faiss.swig_ptr(sample), False, ivf.metric_type)
    except (RuntimeError, AttributeError, NameError) as error:
        ivf.quantizer.reset()
        progress.note(f"index: the GPU cannot train the lists ({error}); the CPU does")
    finally:
        ivf.clustering_index = None
