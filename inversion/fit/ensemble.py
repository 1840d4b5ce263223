"""Finished runs over one corpus -> one tuned blend of their members, and a bundle that holds it.

Every run contributes an encoder, its index and its head. Validation pictures match by their ids.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unprompt.index.base.errors import ConfigError
from unprompt.index.bundle.bundle import (
    BLEND,
    CONFIDENCE,
    ENCODER,
    HEAD,
    INDEX,
    read_bundle,
    seal_bundle,
)
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.inversion.estimate.blend import MAIN, save_blend
from unprompt.inversion.estimate.confidence import save_confidence
from unprompt.inversion.estimate.head import RegressionHead, load_head
from unprompt.inversion.estimate.member import member_folder
from unprompt.inversion.fit.fit import LabelledKeys, Targets, labelled_keys
from unprompt.inversion.fit.tune import (
    FitConfig,
    MemberKeys,
    TuningResult,
    tune_and_calibrate,
)


@dataclass(frozen=True)
class FinishedRun:
    """The bundle of a run, the embeddings of its pictures, and the targets of its corpus."""

    name: str
    bundle: Path
    embeddings: Path
    targets: Targets


def tune_runs(
    runs: Sequence[FinishedRun], config: FitConfig, split: str = "validation"
) -> TuningResult:
    """Tune neighbors, weights, prior and gate of all runs together, and calibrate the result.

    Raises ConfigError where two runs share no validation picture.
    """
    members, heads, truth = _load(runs, split)
    return tune_and_calibrate(members, heads, truth, config)


def write_tuned(tuned: TuningResult, runs: Sequence[FinishedRun], bundle: Path, name: str) -> None:
    """Write the result into `bundle`: that of the first run, or a new one.

    A new bundle is a copy of the first run's with the encoder, index and head of every other run
    as members. Raises ConfigError if a new bundle's folder is not empty.
    """
    first = runs[0].bundle
    if bundle.resolve() != first.resolve():
        if bundle.exists() and any(bundle.iterdir()):
            raise ConfigError(f"{bundle} is not empty; name another --output")
        shutil.copytree(first, bundle, dirs_exist_ok=True)
    manifest = read_bundle(first)
    for run, share in zip(runs[1:], tuned.blend.members[1:], strict=True):
        for part in (ENCODER, INDEX, HEAD):
            shutil.copytree(run.bundle / part, member_folder(bundle, share.name) / part)
    save_blend(bundle / BLEND, tuned.blend)
    save_confidence(bundle / CONFIDENCE, tuned.confidence)
    seal_bundle(bundle, name, manifest.space, manifest.target_space)


def _load(
    runs: Sequence[FinishedRun], split: str
) -> tuple[list[MemberKeys], list[RegressionHead], np.ndarray]:
    """Members and heads of all runs for the pictures that all share, and the truth of these."""
    found: list[tuple[FinishedRun, LabelledKeys]] = [
        (run, labelled_keys(run.embeddings, split, run.targets)) for run in runs
    ]
    shared = set(found[0][1].rows["image_id"].to_list())
    for run, labelled in found[1:]:
        shared &= set(labelled.rows["image_id"].to_list())
        if not shared:
            raise ConfigError(
                f"{run.name} shares no {split} picture with {runs[0].name}; an ensemble needs runs "
                "over one corpus with the same pictures"
            )
    members: list[MemberKeys] = []
    heads, truths = [], []
    for run, labelled in found:
        ids = labelled.rows["image_id"].to_list()
        order = sorted((image, row) for row, image in enumerate(ids) if image in shared)
        rows = np.array([row for _, row in order], dtype=np.int64)
        index, keys = PromptIndex.load(run.bundle / INDEX), labelled.keys[rows]
        head = load_head(run.bundle / HEAD, index.manifest.space)
        name = run.name if members else MAIN
        members.append(MemberKeys(name, index, keys, head.predict(keys)))
        heads.append(head)
        truths.append(labelled.truth[rows])
    return members, heads, truths[0]
