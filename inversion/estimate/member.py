"""A member: an encoder with its index and head. Keys (q, d_image) -> kNN and head estimates."""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from unprompt.index.bundle.bundle import ENCODER, HEAD, INDEX, MEMBERS
from unprompt.index.encoders.protocols import ImageEncoder, check_same_space
from unprompt.index.exported.export import load_encoder
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.inversion.estimate.blend import MAIN, Blend, combine, mix, query_alpha
from unprompt.inversion.estimate.gate import measure_signals
from unprompt.inversion.estimate.head import RegressionHead, load_head
from unprompt.inversion.estimate.knn import KnnEstimate, estimate


class Estimates(NamedTuple):
    """Prompt vectors (q, d_prompt) of a batch, by method."""

    knn: KnnEstimate  # of the main member; its rows are the evidence
    knn_vectors: np.ndarray  # of all members combined
    head: np.ndarray
    blend: np.ndarray
    alpha: np.ndarray  # (q,) weight of the kNN estimate
    signals: np.ndarray  # (q, s), in the order of gate.SIGNALS


@dataclass(frozen=True)
class Member:
    """One encoder with its index and head; a blend weighs the members' estimates."""

    name: str
    encoder: ImageEncoder
    index: PromptIndex
    head: RegressionHead

    def __post_init__(self) -> None:
        self.index.check_encoder(self.encoder.space)


def load_members(
    bundle: Path, blend: Blend, threads: int | None = None, towers: Executor | None = None
) -> tuple[Member, ...]:
    """Load the members that the blend of a bundle names, `main` first.

    `towers` loads the towers in the background. Raises SpaceMismatchError if the members have
    different target spaces.
    """
    members = [
        _load(share.name, member_folder(bundle, share.name), threads, towers)
        for share in blend.shares
    ]
    target_space = members[0].index.manifest.target_space
    for member in members[1:]:
        check_same_space(
            target_space,
            member.index.manifest.target_space,
            f"the member {member.name}",
            "Build all members with the same prompt encoder.",
        )
    return tuple(members)


def member_folder(bundle: Path, name: str) -> Path:
    """The folder of a member's encoder, index and head."""
    return bundle if name == MAIN else bundle / MEMBERS / name


def _load(name: str, folder: Path, threads: int | None, towers: Executor | None) -> Member:
    encoder = load_encoder(folder / ENCODER, threads, towers)
    index = PromptIndex.load(folder / INDEX)
    return Member(name, encoder, index, load_head(folder / HEAD, encoder.space))


def estimate_prompts(
    members: Sequence[tuple[PromptIndex, RegressionHead]],
    keys: Sequence[np.ndarray],
    blend: Blend,
) -> Estimates:
    """Keys (q, d_image) per member, in the order of the blend -> estimates by every method."""
    shares = blend.shares
    found = [
        estimate(index, own, share.knn)
        for (index, _), own, share in zip(members, keys, shares, strict=True)
    ]
    heads = [head.predict(own) for (_, head), own in zip(members, keys, strict=True)]
    knn = combine([part.vectors for part in found], [share.knn_weight for share in shares])
    head = combine(heads, [share.head_weight for share in shares])
    signals = measure_signals(found[0], head)
    alpha = query_alpha(blend, signals)
    mean = members[0][0].mean_target if blend.prior else None
    vectors = mix(knn, head, alpha, blend.prior, mean)
    per_query = np.broadcast_to(
        np.float32(np.mean(alpha)) if np.ndim(alpha) == 2 else np.asarray(alpha, np.float32),
        len(vectors),
    )
    return Estimates(found[0], knn, head, vectors, per_query, signals)
