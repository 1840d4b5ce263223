"""Embeddings, targets and the index -> head, blend and calibration, fitted on validation."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import polars as pl

from unprompt.index.base.errors import ConfigError
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.bundle.bundle import (
    BLEND,
    CONFIDENCE,
    ENCODER,
    HEAD,
    INDEX,
    PHRASES,
    PROMPT_ENCODER,
)
from unprompt.index.encoders.protocols import to_unit_length
from unprompt.index.exported.export import read_description
from unprompt.index.prompt_encoders.target_encoder import write_prompt_encoder
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.towers.qformer import is_qformer
from unprompt.index.towers.trained_tower import read_head
from unprompt.index.vectors.embeddings import open_embeddings
from unprompt.index.vectors.matrix import ChosenRows, Matrix
from unprompt.inversion.compose.phrases import make_bank, save_bank
from unprompt.inversion.compose.prompt_encoder import load_matching_encoder
from unprompt.inversion.estimate.blend import MAIN, Blend, mean_cosine, save_blend
from unprompt.inversion.estimate.confidence import save_confidence
from unprompt.inversion.estimate.head import (
    EncoderHead,
    HeadDescription,
    RegressionHead,
    trained_head,
)
from unprompt.inversion.estimate.ridge import fit_ridge
from unprompt.inversion.fit.by_prompt import equal_weights, group_numbers
from unprompt.inversion.fit.tune import FitConfig, MemberKeys, tune_and_calibrate

BLOCK = 8192  # pictures of the train split that are in memory at a time


class Truths(Protocol):
    """What is known of prompts by their ids (m,); the corpus of a run."""

    def targets_of(self, prompt_ids: pl.Series) -> np.ndarray:
        """Target vectors (m, d_prompt)."""

    def groups_of(self, prompt_ids: pl.Series) -> np.ndarray:
        """Numbers (m,) that are equal for prompts that belong together; else one per prompt."""


class LabelledKeys(NamedTuple):
    """The pictures of one split with the vectors of their prompts."""

    rows: pl.DataFrame  # METADATA
    keys: np.ndarray  # (n, d_image) float32 unit length
    truth: np.ndarray  # (n, d_prompt) float32 unit length
    groups: np.ndarray  # (n,) pictures of a prompt, and of prompts that belong together

    @property
    def prompts(self) -> np.ndarray:
        """The number (n,) of each picture's prompt."""
        return group_numbers(self.rows["prompt_id"].to_list())


@dataclass(frozen=True)
class StoredKeys:
    """Pictures with the vectors of their prompts, on disk until they are read."""

    rows: pl.DataFrame  # METADATA, n rows
    vectors: Matrix  # (n, d_image)
    truths: Truths

    def __len__(self) -> int:
        return self.rows.height

    def read(self) -> LabelledKeys:
        """All of them, in memory."""
        ids = self.rows["prompt_id"]
        truth, groups = to_unit_length(self.truths.targets_of(ids)), self.truths.groups_of(ids)
        return LabelledKeys(self.rows, to_unit_length(self.vectors[:]), truth, groups)

    def blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Keys (m, d_image) and truth (m, d_prompt), BLOCK rows at a time."""
        for start in range(0, len(self), BLOCK):
            part = slice(start, start + BLOCK)
            own = replace(self, rows=self.rows[part], vectors=self.vectors[part]).read()
            yield own.keys, own.truth


def stored_keys(embeddings: Path, split: str, truths: Truths) -> StoredKeys:
    """The pictures of one split; raises ConfigError where there are none."""
    embedded = open_embeddings(embeddings)
    chosen = np.flatnonzero((embedded.rows["split"] == split).to_numpy())
    if not len(chosen):
        remedy = (
            "hold out fewer prompts: `corpus.validation` and `corpus.test`"
            if split == "train"
            else f"give the corpus some, for instance `corpus.{split}: 100`, and build again"
        )
        raise ConfigError(f"{embeddings} holds no {split} picture; {remedy}")
    return StoredKeys(embedded.rows[chosen], ChosenRows(embedded.vectors, chosen), truths)


def labelled_keys(embeddings: Path, split: str, truths: Truths) -> LabelledKeys:
    """Keys and true prompt vectors of one split; raises ConfigError where it is empty."""
    return stored_keys(embeddings, split, truths).read()


def fit_bundle(
    bundle: Path,
    embeddings: Path,
    truths: Truths,
    config: FitConfig,
    trained: Path | None = None,
    progress: Progress = SILENT,
) -> Blend:
    """Fit the head, tune the blend on validation, calibrate it, and save all into `bundle`.

    `trained` is the export of the tower where this run trained it: its head competes with a ridge
    regression, and the better on validation is saved. Phrases for composing are saved too.
    """
    index = PromptIndex.load(bundle / INDEX)
    train = stored_keys(embeddings, "train", truths)
    validation = labelled_keys(embeddings, "validation", truths)
    spaces = (index.manifest.space, index.manifest.target_space)
    if read_description(bundle / ENCODER).output == "prediction":
        heads: list[RegressionHead] = [_encoder_head(train, validation, spaces)]
    else:
        heads = [
            fit_ridge(
                train.blocks(),
                (validation.keys, validation.truth),
                spaces,
                config.head.penalties,
                equal_weights(validation.groups),
            )
        ]
        if trained is not None:
            heads.append(_trained_head(trained, train, validation, spaces))
    for head in heads:
        kind, cosine = head.description.kind, head.description.validation_cosine
        progress.note(f"head {kind}: validation cosine {cosine:.4f}")
    best = max(heads, key=lambda head: head.description.validation_cosine)
    best.save(bundle / HEAD)
    member = MemberKeys(MAIN, index, validation.keys, best.predict(validation.keys))
    blend, confidence = tune_and_calibrate(
        [member], [best], validation.truth, validation.groups, config
    )
    save_blend(bundle / BLEND, blend)
    save_confidence(bundle / CONFIDENCE, confidence)
    progress.note(
        f"blend: alpha {blend.alpha:.2f}, k {blend.knn.k}, {blend.knn.weighting}"
        f"{', gated' if blend.gate else ''}, validation cosine {blend.validation_cosine:.4f}"
    )
    progress.note(f"confidence: calibration error {confidence.calibration_error:.4f}")
    save_phrases(bundle / PHRASES, index, config.phrases)
    shutil.rmtree(bundle / PROMPT_ENCODER, ignore_errors=True)
    if config.carry_encoder:
        write_prompt_encoder(bundle / PROMPT_ENCODER, "int8")
    return blend


def save_phrases(folder: Path, index: PromptIndex, size: int) -> None:
    """Write the most frequent phrases of the prompts of an index; none without an encoder."""
    shutil.rmtree(folder, ignore_errors=True)
    if size > 0:
        encoder = load_matching_encoder(index.manifest.target_space)
        if encoder is not None:
            save_bank(folder, make_bank(index.rows["prompt"].unique().sort(), encoder, size))


def _encoder_head(
    train: StoredKeys, validation: LabelledKeys, spaces: tuple[str, str]
) -> EncoderHead:
    weights = equal_weights(validation.groups)
    cosine = mean_cosine(to_unit_length(validation.keys), validation.truth, weights)
    return EncoderHead(HeadDescription("encoder", *spaces, None, len(train), cosine))


def _trained_head(
    trained: Path, train: StoredKeys, validation: LabelledKeys, spaces: tuple[str, str]
) -> RegressionHead:
    matrices = read_head(trained)
    if is_qformer(matrices):
        raise ConfigError(
            "a qformer head reads the tower's tokens, which no index holds; set "
            "`encoder.output: prediction`"
        )
    taken = len(matrices.get("weight_1", matrices["weight_2"]))
    if taken != train.vectors.shape[1]:
        raise ConfigError(
            f"the trained head takes features of length {taken}, the encoder gives "
            f"{train.vectors.shape[1]}; set `encoder.output: prediction` or `features`"
        )
    unscored = HeadDescription("trained", *spaces, None, len(train), 0.0)
    found = trained_head(matrices, unscored).predict(validation.keys)
    cosine = mean_cosine(found, validation.truth, equal_weights(validation.groups))
    scored = replace(unscored, validation_cosine=cosine)
    return trained_head(matrices, scored)
