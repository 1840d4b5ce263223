"""Finished runs over one corpus -> one tuned blend of their members, and a bundle that holds it.

Every run contributes an encoder, its index and its head. Validation pictures match by their ids.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

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
from unprompt.index.bundle.copies import Copy, copy_parts
from unprompt.inversion.estimate.blend import MAIN, save_blend
from unprompt.inversion.estimate.confidence import save_confidence
from unprompt.inversion.estimate.member import load_main, member_folder
from unprompt.inversion.fit.runs import FinishedRun, shared_pictures
from unprompt.inversion.fit.tune import (
    FitConfig,
    MemberKeys,
    TuningResult,
    tune_and_calibrate,
)


def tune_runs(
    runs: Sequence[FinishedRun], config: FitConfig, split: str = "validation"
) -> TuningResult:
    """Tune neighbors, weights, prior and gate of all runs together, and calibrate the result.

    Raises ConfigError where two runs share no validation picture.
    """
    members: list[MemberKeys] = []
    heads = []
    shared = shared_pictures(runs, split)
    for run, labelled in zip(runs, shared, strict=True):
        index, head = load_main(run.bundle)
        name = run.name if members else MAIN
        members.append(MemberKeys(name, index, labelled.keys, head.predict(labelled.keys)))
        heads.append(head)
    return tune_and_calibrate(members, heads, shared[0].truth, shared[0].groups, config)


def write_tuned(
    tuned: TuningResult,
    runs: Sequence[FinishedRun],
    bundle: Path,
    name: str,
    copy: Copy = shutil.copy2,
) -> None:
    """Write the result into `bundle`: that of the first run, or a new one.

    A new bundle is a copy of the first run's with the encoder, index and head of every other run
    as members. `copy` makes one file of another. Raises ConfigError if a new bundle's folder is not
    empty.
    """
    first = runs[0].bundle
    if bundle.resolve() != first.resolve():
        if bundle.exists() and any(bundle.iterdir()):
            raise ConfigError(f"{bundle} is not empty; name another --output")
        copy_parts(first, None, bundle, copy)
    manifest = read_bundle(first, verify=False)
    for run, share in zip(runs[1:], tuned.blend.members[1:], strict=True):
        copy_parts(run.bundle, (ENCODER, INDEX, HEAD), member_folder(bundle, share.name), copy)
    save_blend(bundle / BLEND, tuned.blend)
    save_confidence(bundle / CONFIDENCE, tuned.confidence)
    seal_bundle(bundle, name, manifest.space, manifest.target_space)
