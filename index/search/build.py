"""Index choices and keys (n, d_image) -> the first FAISS index that reaches the wanted recall."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from unprompt.index.base.errors import ConfigError
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.search.effort import (
    MAX_PROBED,
    Effort,
    Recall,
    TriedIndex,
    set_effort,
    unmeasured_effort,
)
from unprompt.index.search.factory import IndexChoice, IndexConfig
from unprompt.index.search.factory_string import parse_factory
from unprompt.index.search.filling import PartFill
from unprompt.index.search.recall import ground_truth, tune
from unprompt.index.search.training import fill
from unprompt.index.vectors.matrix import Matrix


class BuiltIndex(NamedTuple):
    """A filled FAISS index, the effort of its searches, and the indexes that were tried."""

    vectors: Any
    factory: str
    effort: Effort
    recall: Recall | None = None  # None without held-out queries
    tried: tuple[TriedIndex, ...] = ()
    on_disk: bool = False  # whether its lists are in a file of their own


def build_index(
    choices: Sequence[IndexChoice],
    keys: Matrix,
    held_out: np.ndarray,
    config: IndexConfig,
    progress: Progress = SILENT,
    parts: PartFill | None = None,
    lists: Path | None = None,
) -> BuiltIndex:
    """Fill the choices in turn until one reaches `config.recall` on `held_out` (q, d_image).

    A given factory string is used whatever recall it reaches, and so is an exact scan. Without
    queries the first choice is used, unmeasured. `parts` fills indexes from a file of the keys;
    `lists` is the file of lists that stay on disk. Raises ConfigError where no choice reaches the
    recall.
    """
    tried: list[TriedIndex] = []
    truth = None
    for choice in choices:
        progress.note(f"index: {len(keys)} keys of {keys.shape[1]} numbers as {choice.summary}")
        if parts is None:
            vectors = fill(choice.factory, keys, progress)
        else:
            vectors = parts.fill(choice.factory, progress, lists if choice.on_disk else None)
        # computed once: all choices compare keys in the same space
        truth = truth or ground_truth(vectors, keys, held_out, config.recall_k)
        if truth is None:
            effort = unmeasured_effort(vectors, choice.refine)
            set_effort(vectors, effort)
            return BuiltIndex(vectors, choice.factory, effort, on_disk=choice.on_disk)
        max_probed = 1.0 if config.factory else MAX_PROBED
        effort, value = tune(vectors, truth, config.recall, choice.refine, max_probed)
        recall = Recall(truth.k, round(value, 4), len(truth.queries))
        tried.append(TriedIndex(choice.factory, recall.value, effort))
        exact = parse_factory(choice.factory).is_exact
        if value < config.recall and not exact:
            progress.note(
                f"index: {choice.factory} reaches recall@{truth.k} {value:.4f} where "
                f"{config.recall} is wanted"
            )
        if value >= config.recall or config.factory or exact:
            found = (vectors, choice.factory, effort, recall, tuple(tried), choice.on_disk)
            return BuiltIndex(*found)
    reached = ", ".join(f"{index.factory} {index.recall}" for index in tried)
    raise ConfigError(
        f"no index within index.memory {config.memory} reaches recall@{config.recall_k} "
        f"{config.recall}: {reached}; allow more `index.memory`, or less `index.recall`"
    )
