"""Runs in groups, a corpus each -> their held-out pictures under the encoders of all runs."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from unprompt.index.base.errors import ConfigError, UnpromptError
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.bundle.bundle import ENCODER
from unprompt.index.exported.export import load_encoder
from unprompt.index.exported.shard_keys import encode_chosen
from unprompt.inversion.fit.fit import LabelledKeys
from unprompt.inversion.fit.runs import FinishedRun, shared_pictures
from unprompt.inversion.fit.views import Labels

Groups = Sequence[Sequence[FinishedRun]]


class Pool(NamedTuple):
    """The pictures of all groups, one group after the other."""

    keys: dict[str, np.ndarray]  # (n, d_image) by name of a run
    labels: Labels  # the position of each picture's group; its prompt is what stays together

    def take(self, rows: np.ndarray) -> "Pool":
        """The pictures at positions or under a mask `rows`."""
        return Pool({name: own[rows] for name, own in self.keys.items()}, self.labels.take(rows))


def pool_pictures(groups: Groups, split: str = "validation", progress: Progress = SILENT) -> Pool:
    """Encode the pictures of each group with the encoders of all other groups.

    A picture that cannot be read is left out. Raises ConfigError where a run keeps no pictures.
    """
    shared = [shared_pictures(group, split) for group in groups]
    keys: dict[str, np.ndarray] = {}
    for place, group in enumerate(groups):
        for number, run in enumerate(group):
            parts = [
                shared[place][number].keys
                if other == place
                else _encode(run, pictures[0], groups[other][0], progress)
                for other, pictures in enumerate(shared)
            ]
            keys[run.name] = np.concatenate(parts)
    first = [pictures[0] for pictures in shared]
    labels = Labels(
        np.repeat(np.arange(len(groups)), [len(own.keys) for own in first]),
        np.concatenate([own.truth for own in first]),
        np.concatenate([own.groups for own in first]),
    )
    readable = np.all([np.isfinite(own).all(axis=1) for own in keys.values()], axis=0)
    return Pool(keys, labels).take(readable)


def _encode(
    run: FinishedRun, pictures: LabelledKeys, owner: FinishedRun, progress: Progress
) -> np.ndarray:
    """Keys (m, d_image) of another run's pictures; NaN for one that cannot be read."""
    encoder = load_encoder(run.bundle / ENCODER)
    ids = pictures.rows["image_id"].to_list()
    what = f"pictures of {owner.name} by the tower of {run.name}"
    try:
        found = encode_chosen(owner.pictures, set(ids), encoder, progress, what)
    except UnpromptError as error:
        raise ConfigError(
            f"{run.name} and {owner.name} are over different corpora, so joining them needs the "
            f"pictures of {owner.name}: {error}"
        ) from error
    missing = np.full(encoder.dim, np.nan, np.float32)
    return np.stack([found.get(image, missing) for image in ids])
