"""Prompt vectors (n, d) on disk -> the cluster of each (n,), by spherical k-means of FAISS."""

import numpy as np

from unprompt.build.make.captions import PromptVectors
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.vectors.faiss_library import load_faiss
from unprompt.index.vectors.nearest import nearest

SAMPLES = 64  # vectors a cluster that the centres are fitted on
ITERATIONS = 15
CLUSTERS = 1000  # where there are captions enough
LEAST_MEMBERS = 10  # captions a cluster, on average, where there are fewer


def cluster_count(captions: int, wanted: int | None = None) -> int:
    """How many clusters to make of so many captions; raises ConfigError for too many."""
    if wanted is None:
        return max(1, min(CLUSTERS, captions // LEAST_MEMBERS))
    if not 1 <= wanted <= captions:
        raise ConfigError(f"clusters must lie between 1 and the {captions} captions, got {wanted}")
    return wanted


def cluster_vectors(
    vectors: PromptVectors, clusters: int, seed: int, progress: Progress = SILENT
) -> np.ndarray:
    """Labels (n,) int64 below `clusters`; a cluster may be empty.

    The centres are fitted on a sample, then every vector is given to its nearest one.
    """
    faiss = load_faiss()
    generator = np.random.default_rng(seed)
    size = min(len(vectors), clusters * SAMPLES)
    sample = vectors.take(np.sort(generator.choice(len(vectors), size, replace=False)))
    kmeans = faiss.Kmeans(
        sample.shape[1],
        clusters,
        niter=ITERATIONS,
        spherical=True,
        seed=seed % 2**31,
        min_points_per_centroid=1,
        max_points_per_centroid=SAMPLES,
    )
    kmeans.train(sample)
    labels = np.empty(len(vectors), dtype=np.int64)
    for span, block in progress.track(vectors.blocks(), "cluster", vectors.parts):
        labels[span] = nearest(block, kmeans.centroids, 1)[1][:, 0]
    return labels
