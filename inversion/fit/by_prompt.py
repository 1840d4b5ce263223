"""Cosines of pictures, grouped by prompt -> means and intervals with the prompt as the unit.

A collection often has many pictures of one prompt. They are no independent samples: so the cosines
are averaged over the pictures of a prompt first, and the bootstrap draws prompts (a cluster
bootstrap).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

RESAMPLES = 2000
LARGEST = 1_000_000  # numbers of the samples that are in memory together
SUCCESS = 0.6  # cosine from which an inversion counts as a success


@dataclass(frozen=True)
class PromptScore:
    """Mean cosine of one method, or of one group of pictures, over distinct prompts."""

    name: str
    mean_cosine: float  # over prompts; nan without pictures
    ci95: tuple[float, float]  # percentile bootstrap over prompts
    success: float  # share of answers with a cosine above SUCCESS, by prompt
    prompts: int
    pictures: int

    def as_json(self) -> dict[str, Any]:
        """The score with plain JSON values."""
        return {**asdict(self), "ci95": list(self.ci95)}


def group_numbers(names: Sequence[object]) -> np.ndarray:
    """The number (n,) of each distinct value, from 0, in order of first appearance."""
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)


def mean_by_group(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Values (n,) -> the mean of each group (m,); `groups` (n,) are any integers."""
    _, places = np.unique(groups, return_inverse=True)
    return np.bincount(places, weights=values) / np.bincount(places)


def equal_weights(groups: np.ndarray) -> np.ndarray:
    """Weights (n,) with the sum 1 that give every group of `groups` (n,) the same share."""
    _, places, counts = np.unique(groups, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / counts[places] / max(1, len(counts)))


def halve(groups: np.ndarray) -> np.ndarray:
    """The half (n,), 0 or 1, of every picture; the pictures of a group are in one half.

    The largest groups come first, each into the smaller half. Groups of one picture alternate.
    """
    _, first, places, counts = np.unique(
        groups, return_index=True, return_inverse=True, return_counts=True
    )
    half, sizes = np.zeros(len(counts), dtype=np.int64), [0, 0]
    for group in np.lexsort((first, -counts)).tolist():
        half[group] = int(sizes[1] < sizes[0])
        sizes[half[group]] += int(counts[group])
    return half[places]


def score_prompts(
    name: str, cosines: np.ndarray, prompts: np.ndarray, seed: int = 0
) -> PromptScore:
    """The score of cosines (n,) of pictures whose prompts have the numbers `prompts` (n,)."""
    if not len(cosines):
        return PromptScore(name, float("nan"), (float("nan"), float("nan")), float("nan"), 0, 0)
    means = mean_by_group(np.asarray(cosines, np.float64), prompts)
    above = mean_by_group(np.asarray(cosines > SUCCESS, np.float64), prompts)
    low, high = np.percentile(resampled_means(means, seed), [2.5, 97.5])
    return PromptScore(
        name,
        float(means.mean()),
        (float(low), float(high)),
        float(above.mean()),
        len(means),
        len(cosines),
    )


def resampled_means(means: np.ndarray, seed: int = 0) -> np.ndarray:
    """The mean of each of RESAMPLES samples of the prompts' means (m,), with replacement."""
    generator = np.random.default_rng(seed)
    count = len(means)
    at_once = max(1, LARGEST // count)
    blocks = [
        means[generator.integers(0, count, (min(at_once, RESAMPLES - start), count))].mean(axis=1)
        for start in range(0, RESAMPLES, at_once)
    ]
    return np.concatenate(blocks)


def score_sources(
    name: str, cosines: np.ndarray, prompts: np.ndarray, sources: np.ndarray, seed: int = 0
) -> PromptScore:
    """The mean over sources (n,) of the means by prompt; every source counts the same.

    The interval resamples the prompts within each source.
    """
    means, success, resampled = [], [], []
    for place, source in enumerate(dict.fromkeys(sources.tolist())):
        own = sources == source
        found = score_prompts(str(source), cosines[own], prompts[own])
        means.append(found.mean_cosine)
        success.append(found.success)
        resampled.append(resampled_means(mean_by_group(cosines[own], prompts[own]), seed + place))
    if not means:
        return score_prompts(name, cosines, prompts)
    low, high = np.percentile(np.mean(resampled, axis=0), [2.5, 97.5])
    distinct = len(np.unique(prompts))
    return PromptScore(
        name,
        float(np.mean(means)),
        (float(low), float(high)),
        float(np.mean(success)),
        distinct,
        len(cosines),
    )
