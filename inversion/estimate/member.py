"""A member: an encoder with its index and head. Keys (q, d_image) -> kNN and head estimates."""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from unprompt.index.base.durable import digest_json, read_json
from unprompt.index.base.errors import ConfigError, DamagedFileError
from unprompt.index.bundle.bundle import ENCODER, HEAD, INDEX, MEMBERS
from unprompt.index.encoders.protocols import ImageEncoder, check_same_space
from unprompt.index.exported.export import DESCRIPTION, load_encoder, read_identity
from unprompt.index.store.manifest import PROMPT_KEYS
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.inversion.estimate.blend import MAIN, Blend, combine, mix, query_alpha
from unprompt.inversion.estimate.gate import measure_signals
from unprompt.inversion.estimate.head import RegressionHead, check_head, load_head
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
    """One encoder with its index and head; a blend weighs the members' estimates.

    An index of prompt vectors (a bank, `keys: prompt` in its manifest) is searched with what the
    head predicts, any other index with the keys of the encoder. Only `main` must have a head.
    """

    name: str
    encoder: ImageEncoder
    index: PromptIndex
    head: RegressionHead | None

    def __post_init__(self) -> None:
        if self.head is None and (self.name == MAIN or holds_prompts(self.index)):
            raise ConfigError(
                f"the member {self.name} needs a head: `main` always does, and so does a search "
                "among prompt vectors; fit one with `unprompt build CONFIG --stage fit`"
            )
        if self.head is not None and holds_prompts(self.index):
            check_same_space(
                self.index.manifest.space,
                self.head.description.target_space,
                f"the head of the member {self.name}",
                "Build the bank and the head with the same prompt encoder.",
            )
        else:
            self.index.check_encoder(self.encoder.space)
            check_dims(self.index, self.encoder.dim)


class Encoders:
    """Loads image encoders of a bundle; a tower that several members use is loaded once."""

    def __init__(
        self,
        threads: int | None = None,
        towers: Executor | None = None,
        streams: int | None = None,
    ):
        self._threads, self._streams = threads, streams
        self._towers = towers  # loads towers in the background
        self._loaded: dict[str, ImageEncoder] = {}

    def load(self, folder: Path) -> ImageEncoder:
        """The encoder in `folder`, or the same one from another folder."""
        identity = digest_json(read_json(folder / DESCRIPTION))
        if identity not in self._loaded:
            self._loaded[identity] = load_encoder(
                folder, self._threads, self._towers, self._streams
            )
        return self._loaded[identity]


def load_members(bundle: Path, blend: Blend, encoders: Encoders) -> tuple[Member, ...]:
    """Load the members that the blend of a world names, `main` first.

    A member without an index of its own searches that of `main`. Raises SpaceMismatchError if the
    members have different target spaces, and DamagedFileError if a head with a weight is missing.
    """
    members: list[Member] = []
    for share in blend.shares:
        folder = member_folder(bundle, share.name)
        encoder = encoders.load(folder / ENCODER)
        shared = members and not (folder / INDEX).is_dir()
        index = members[0].index if shared else PromptIndex.load(folder / INDEX)
        headless = members and share.head_weight == 0 and not (folder / HEAD).is_dir()
        head = None if headless else load_head(folder / HEAD, encoder.space)
        if head is not None:
            check_head(head, (encoder.dim, index.manifest.target_dim), folder / HEAD)
        members.append(Member(share.name, encoder, index, head))
    target_space = members[0].index.manifest.target_space
    for member in members[1:]:
        check_same_space(
            target_space,
            member.index.manifest.target_space,
            f"the member {member.name}",
            "Build all members with the same prompt encoder.",
        )
    return tuple(members)


def load_main(bundle: Path) -> tuple[PromptIndex, RegressionHead]:
    """Index and head of the main member, without its tower.

    Raises SpaceMismatchError if the head takes features of another tower.
    """
    space, _ = read_identity(bundle / ENCODER)
    return PromptIndex.load(bundle / INDEX), load_head(bundle / HEAD, space)


def member_folder(bundle: Path, name: str) -> Path:
    """The folder of a member's encoder, index and head."""
    return bundle if name == MAIN else bundle / MEMBERS / name


def check_dims(index: PromptIndex, dim: int) -> None:
    """Raise DamagedFileError where the keys of an encoder are not as long as those of an index."""
    if index.manifest.dim != dim:
        raise DamagedFileError(
            f"{index.folder} holds keys of {index.manifest.dim} numbers, its encoder makes {dim}; "
            "fetch the bundle again"
        )


def holds_prompts(index: PromptIndex) -> bool:
    """Whether the keys of an index are prompt vectors: those of a bank, which has no pictures."""
    return index.manifest.keys == PROMPT_KEYS


def search_keys(index: PromptIndex, keys: np.ndarray, regressed: np.ndarray | None) -> np.ndarray:
    """What to search an index with: keys (q, d_image), or among prompts the head's (q, d_prompt).

    Raises ConfigError without a head's estimate where the index needs it.
    """
    if not holds_prompts(index):
        return keys
    if regressed is None:
        raise ConfigError(f"{index.folder} holds prompt vectors, so its search needs a head")
    return regressed


def estimate_prompts(
    members: Sequence[tuple[PromptIndex, RegressionHead | None]],
    keys: Sequence[np.ndarray],
    blend: Blend,
) -> Estimates:
    """Keys (q, d_image) per member, in the order of the blend -> estimates by every method.

    `main` comes first and has a head. An index without weight is not searched, except for main's.
    """
    regressed = [
        None if head is None else head.predict(own)
        for (_, head), own in zip(members, keys, strict=True)
    ]
    found: list[KnnEstimate] = []
    heads: list[np.ndarray] = []
    knn_weights, head_weights = [], []
    for (index, _), own, guess, share in zip(members, keys, regressed, blend.shares, strict=True):
        if not found or share.knn_weight > 0:
            found.append(estimate(index, search_keys(index, own, guess), share.knn))
            knn_weights.append(share.knn_weight)
        if guess is not None:
            heads.append(guess)
            head_weights.append(share.head_weight)
    knn = combine([part.vectors for part in found], knn_weights)
    head = combine(heads, head_weights)
    signals = measure_signals(found[0], head)
    alpha = query_alpha(blend, signals)
    mean = members[0][0].mean_target if blend.prior else None
    vectors = mix(knn, head, alpha, blend.prior, mean)
    per_query = np.broadcast_to(
        np.float32(np.mean(alpha)) if np.ndim(alpha) == 2 else np.asarray(alpha, np.float32),
        len(vectors),
    )
    return Estimates(found[0], knn, head, vectors, per_query, signals)
