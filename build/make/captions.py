"""Prompt files -> a PROMPTS table, unit vectors (n, d) kept on disk, and the cluster of each (n,).

VECTORS/DIGEST/   text embeddings in clip-retrieval's layout, float16; DIGEST names the prompts
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from unprompt.build.corpus.cleaning.normalize import make_prompts_table
from unprompt.build.corpus.encode_prompts import encode_prompts
from unprompt.build.corpus.sources.prompt_files import read_prompts
from unprompt.index.base.durable import digest_bytes
from unprompt.index.base.errors import ConfigError, DamagedFileError
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.encoders.protocols import PromptEncoder, to_unit_length
from unprompt.index.vectors.embeddings import open_vectors
from unprompt.index.vectors.faiss_library import load_faiss
from unprompt.index.vectors.nearest import nearest

KMEANS_SAMPLES = 64  # vectors per cluster that the centers are fitted on
KMEANS_ITERATIONS = 15
CLUSTERS = 1000  # by default, if there are enough captions
MIN_CLUSTER_SIZE = 10  # captions per cluster, on average, if there are fewer


def read_captions(paths: Sequence[Path], column: str | None = None) -> pl.DataFrame:
    """Read prompt files by their suffix into a PROMPTS table, in the order of the files.

    Raises CorpusError for a file without a prompt.
    """
    return make_prompts_table(read_prompts(paths, column).table)


class PromptVectors:
    """Unit vectors (n, d) of n prompts, mapped from disk: only one block at a time is in memory."""

    def __init__(self, parts: Sequence[np.ndarray]):
        self._parts = parts
        self._starts = np.cumsum([0, *(len(part) for part in parts)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def parts(self) -> int:
        """Number of blocks."""
        return len(self._parts)

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Rows and their vectors, float32, block by block."""
        for start, part in zip(self._starts, self._parts, strict=False):
            yield slice(int(start), int(start) + len(part)), to_unit_length(part)

    def whole(self) -> np.ndarray:
        """All vectors (n, d) float32."""
        return np.concatenate([block for _, block in self.blocks()])

    def take(self, rows: np.ndarray) -> np.ndarray:
        """The vectors of ascending rows, float32."""
        found = []
        for start, part in zip(self._starts, self._parts, strict=False):
            within = rows[(rows >= start) & (rows < start + len(part))] - start
            found.append(to_unit_length(part[within]))
        return np.concatenate(found)


def encode_captions(
    vectors: Path, prompts: pl.DataFrame, encoder: PromptEncoder, progress: Progress = SILENT
) -> PromptVectors:
    """Vectors of a PROMPTS table; parts that an earlier run encoded are read, not encoded again."""
    ids = prompts["prompt_id"].to_numpy()
    folder = vectors / digest_bytes(encoder.space.encode() + ids.tobytes())[:16]
    encode_prompts(folder, prompts, encoder, progress)
    found = PromptVectors(open_vectors(folder))
    if len(found) != prompts.height:
        raise DamagedFileError(
            f"{folder} has {len(found)} vectors for {prompts.height} prompts; delete the folder "
            "and run the same command again"
        )
    return found


def cluster_count(captions: int, wanted: int | None = None) -> int:
    """Number of clusters for so many captions; raises ConfigError for more than there are."""
    if wanted is None:
        return max(1, min(CLUSTERS, captions // MIN_CLUSTER_SIZE))
    if not 1 <= wanted <= captions:
        raise ConfigError(f"--clusters must be from 1 to the {captions} captions, got {wanted}")
    return wanted


def cluster_vectors(
    vectors: PromptVectors, clusters: int, seed: int, progress: Progress = SILENT
) -> np.ndarray:
    """Labels (n,) int64 below `clusters` by FAISS' spherical k-means; a cluster may be empty.

    The centers are fitted on a sample; then every vector gets the label of its nearest center.
    """
    faiss = load_faiss()
    generator = np.random.default_rng(seed)
    size = min(len(vectors), clusters * KMEANS_SAMPLES)
    sample = vectors.take(np.sort(generator.choice(len(vectors), size, replace=False)))
    kmeans = faiss.Kmeans(
        sample.shape[1],
        clusters,
        niter=KMEANS_ITERATIONS,
        spherical=True,
        seed=seed % 2**31,
        min_points_per_centroid=1,
        max_points_per_centroid=KMEANS_SAMPLES,
    )
    kmeans.train(sample)
    labels = np.empty(len(vectors), dtype=np.int64)
    for rows, block in progress.track(vectors.blocks(), "cluster", vectors.parts):
        labels[rows] = nearest(block, kmeans.centroids, 1)[1][:, 0]
    return labels
