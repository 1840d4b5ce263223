"""Held-out predictions of a world -> its tuned blend, its calibration, and its held-out answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from unprompt.index.base.durable import stable_id, write_atomically
from unprompt.index.bundle.bundle import VALIDATION
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.inversion.estimate.blend import MAIN, Blend
from unprompt.inversion.estimate.confidence import Confidence
from unprompt.inversion.estimate.head import HeadDescription
from unprompt.inversion.estimate.member import Estimates, estimate_prompts
from unprompt.inversion.fit.pairs.held_out import HeldOut
from unprompt.inversion.fit.pairs.rows import PairRows
from unprompt.inversion.fit.tune import FitConfig, MemberKeys, tune_and_calibrate

# Features hold the pooled layer in nine parts of equal length, so that a class has a third of the
# cosine it has to the pooled layer alone: hence the low temperatures.
TUNING = FitConfig(
    neighbors=(5, 10, 20, 50, 100, 200),
    temperatures=(0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1),
    powers=(),
    penalties=(),
)


@dataclass(frozen=True)
class RecordedHead:
    """A head whose predictions for the pictures at hand were made without their sources."""

    description: HeadDescription
    predictions: np.ndarray  # (n, d_prompt) unit length

    @property
    def space(self) -> str:
        """The encoder whose features it would take."""
        return self.description.space

    def predict(self, features: np.ndarray) -> np.ndarray:
        """The recorded predictions of the n pictures, whose features (n, d_image) are given."""
        if len(features) != len(self.predictions):
            raise ValueError(f"recorded {len(self.predictions)} pictures, got {len(features)}")
        return self.predictions

    def save(self, folder: Path) -> None:
        """A record is not a head that could be saved; raises TypeError."""
        raise TypeError("recorded predictions cannot be saved as a head")


class TunedWorld(NamedTuple):
    """The settings of a world and what it says of pictures of sources it never saw."""

    blend: Blend
    confidence: Confidence
    estimates: Estimates  # of all held-out pictures


def tune_world(
    rows: PairRows,
    held: HeldOut,
    indexes: Sequence[PromptIndex],
    descriptions: Mapping[str, HeadDescription],
    rows_per_source: int,
) -> TunedWorld:
    """Tune on at most `rows_per_source` held-out pictures of each source, so that all count.

    `indexes` has one index per tower, in the order of `descriptions`, which names the towers; the
    first is the main member.
    """
    tested = rows.take(held.rows)
    chosen = spread(tested, rows_per_source)
    towers = list(descriptions)
    members: list[MemberKeys] = []
    heads, everywhere = [], []
    for tower, index in zip(towers, indexes, strict=True):
        keys, predicted = tested.features[tower], held.predictions[tower]
        name = tower if members else MAIN
        members.append(MemberKeys(name, index, keys[chosen], predicted[chosen]))
        heads.append(RecordedHead(descriptions[tower], predicted[chosen]))
        everywhere.append((index, RecordedHead(descriptions[tower], predicted)))
    tuned = tune_and_calibrate(
        members, heads, tested.targets[chosen], tested.prompts[chosen], TUNING
    )
    estimates = estimate_prompts(
        everywhere, [tested.features[tower] for tower in towers], tuned.blend
    )
    return TunedWorld(tuned.blend, tuned.confidence, estimates)


def spread(rows: PairRows, per_source: int) -> np.ndarray:
    """At most `per_source` rows of each source, chosen by a hash of their names: positions."""
    names, sources = rows.table["name"].to_list(), rows.sources
    order = np.array([stable_id("spread", name) for name in names], dtype=np.uint64)
    chosen = [
        own[np.argsort(order[own], kind="stable")[:per_source]]
        for source in np.unique(sources)
        for own in [np.flatnonzero(sources == source)]
    ]
    return np.sort(np.concatenate(chosen))


def write_validation(folder: Path, rows: PairRows, held: HeldOut, estimates: Estimates) -> None:
    """Write what the world says of held-out pictures, for the calibration of a router."""
    names = rows.table["name"][held.rows].to_list()
    with write_atomically(folder / VALIDATION) as temporary, temporary.open("wb") as handle:
        np.savez(
            handle,
            path_key=np.array(names),
            answers=estimates.blend.astype(np.float32),
            head=estimates.head.astype(np.float32),
            knn=estimates.knn_vectors.astype(np.float32),
            signals=estimates.signals,
        )


def described(description: HeadDescription, cosine: float) -> HeadDescription:
    """The description with a measured cosine."""
    return replace(description, validation_cosine=cosine)
