"""Random keys (n, 512) and targets (n, 384) for the other benchmarks.

`centres`: 20,000 centres and noise; far neighbors are nearly unrelated, the worst case.
`manifold`: a mixture in 24 dimensions mapped into 512, more like image vectors. Keys and targets
come from the same latent vectors.
"""

from typing import NamedTuple

import numpy as np
import polars as pl

from unprompt.index.base.tables import ROWS
from unprompt.index.encoders.protocols import to_unit_length
from unprompt.index.store.segments import IndexContent

KINDS = ("centres", "manifold")
DIM, TARGET_DIM = 512, 384
PART = 100_000  # vectors generated at a time


class Made(NamedTuple):
    """Keys of one kind and their targets."""

    keys: np.ndarray  # (n, DIM) float16
    targets: np.ndarray  # (n, TARGET_DIM) float16


def as_content(made: Made) -> IndexContent:
    """The content of an index, with one prompt per row."""
    count = len(made.keys)
    table = {name: np.arange(count) for name in ("row", "row_id", "image_id", "prompt_id", "seed")}
    texts = {"prompt": [f"a prompt, number {row}" for row in range(count)]}
    keys = {"key": [f"{row:09d}" for row in range(count)], "generator": ["made up"] * count}
    rows = pl.DataFrame({**table, **texts, **keys}, schema_overrides=ROWS).select(list(ROWS))
    return IndexContent(rows, made.keys, made.targets, "made up", "made up")


def make_vectors(kind: str, count: int, seed: int) -> Made:
    parts = [
        _part(kind, min(PART, count - first), seed * 10_007 + first)
        for first in range(0, count, PART)
    ]
    return Made(*(np.concatenate(vectors) for vectors in zip(*parts, strict=True)))


def _part(kind: str, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    fixed, generator = np.random.default_rng(0), np.random.default_rng(seed)
    noise = generator.standard_normal((count, DIM), dtype=np.float32)
    if kind == "centres":
        spectrum = np.arange(1, DIM + 1, dtype=np.float32) ** -0.5  # a power law
        centres = fixed.standard_normal((20_000, DIM), dtype=np.float32) * spectrum
        hidden = centres[generator.integers(len(centres), size=count)]
        keys = to_unit_length(hidden + noise * spectrum)
    else:
        means = fixed.standard_normal((500, 24), dtype=np.float32)
        first = fixed.standard_normal((24, 256), dtype=np.float32) / 24**0.5
        second = fixed.standard_normal((256, DIM), dtype=np.float32) / 16
        spread = generator.standard_normal((count, 24), dtype=np.float32)
        hidden = means[generator.integers(len(means), size=count)] + 0.5 * spread
        keys = to_unit_length(np.tanh(2 * hidden @ first) @ second)
        keys = to_unit_length(keys + 0.3 * noise / DIM**0.5)
    towards = fixed.standard_normal((hidden.shape[1], TARGET_DIM), dtype=np.float32)
    targets = to_unit_length(np.tanh(hidden @ towards))
    return keys.astype(np.float16), targets.astype(np.float16)
