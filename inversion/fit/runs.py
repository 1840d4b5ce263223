"""Finished runs -> their held-out pictures, and which runs are over one corpus."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unprompt.index.base.errors import ConfigError
from unprompt.inversion.fit.fit import LabelledKeys, Truths, labelled_keys


@dataclass(frozen=True)
class FinishedRun:
    """The bundle of a run, its pictures and their embeddings, and the targets of its corpus."""

    name: str
    bundle: Path
    embeddings: Path
    pictures: Path  # image shards
    truths: Truths

    def labelled(self, split: str) -> LabelledKeys:
        """Keys and truth of one split; raises ConfigError where it is empty."""
        return labelled_keys(self.embeddings, split, self.truths)


def group_runs(runs: Sequence[FinishedRun], split: str = "validation") -> list[list[FinishedRun]]:
    """Put runs together that share pictures of `split`, those over one corpus, in their order."""
    groups: list[tuple[list[FinishedRun], set[int]]] = []
    for run in runs:
        own = set(run.labelled(split).rows["image_id"].to_list())
        place = next((n for n, (_, shared) in enumerate(groups) if shared & own), None)
        if place is None:
            groups.append(([run], own))
        else:
            members, shared = groups[place]
            groups[place] = ([*members, run], shared & own)
    return [members for members, _ in groups]


def shared_pictures(runs: Sequence[FinishedRun], split: str) -> list[LabelledKeys]:
    """The pictures of `split` that all runs share, by each run, in the order of their ids.

    Raises ConfigError where a run shares none with the first.
    """
    found = [run.labelled(split) for run in runs]
    shared = set(found[0].rows["image_id"].to_list())
    for run, labelled in zip(runs[1:], found[1:], strict=True):
        shared &= set(labelled.rows["image_id"].to_list())
        if not shared:
            raise ConfigError(
                f"{run.name} shares no {split} picture with {runs[0].name}; an ensemble needs runs "
                "over one corpus with the same pictures"
            )
    return [_chosen(labelled, shared) for labelled in found]


def _chosen(labelled: LabelledKeys, images: set[int]) -> LabelledKeys:
    ids = labelled.rows["image_id"].to_list()
    order = sorted((image, row) for row, image in enumerate(ids) if image in images)
    rows = np.array([row for _, row in order], dtype=np.int64)
    return LabelledKeys(
        labelled.rows[rows], labelled.keys[rows], labelled.truth[rows], labelled.groups[rows]
    )
