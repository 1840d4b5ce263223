"""Embeddings, targets and the index -> head and blend weights, tuned on validation."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from pydantic import Field
from pydantic.dataclasses import dataclass

from unprompt.index.bundle import BLEND, ENCODER, HEAD, INDEX
from unprompt.index.embeddings import read_embeddings
from unprompt.index.encoders import to_unit_length
from unprompt.index.errors import ConfigError
from unprompt.index.progress import SILENT, Progress
from unprompt.index.prompt_index import PromptIndex
from unprompt.index.runtime import read_description
from unprompt.index.settings import STRICT
from unprompt.index.trained_tower import read_head
from unprompt.inversion.blend import Blend, choose_alpha, mean_cosine, save_blend
from unprompt.inversion.head import (
    EncoderHead,
    HeadConfig,
    HeadDescription,
    RegressionHead,
    trained_head,
)
from unprompt.inversion.knn import KnnConfig, estimate_from_neighbors, find_prompts
from unprompt.inversion.ridge import fit_ridge

Targets = Callable[[pl.Series], np.ndarray]  # prompt ids -> target vectors (n, d_prompt)


@dataclass(frozen=True, config=STRICT)
class FitConfig:
    """What is tried on the validation split; the best by mean cosine is kept."""

    head: HeadConfig = Field(default_factory=HeadConfig)
    neighbors: tuple[int, ...] = (10, 20, 50, 100)
    temperatures: tuple[float, ...] = (0.02, 0.03, 0.05, 0.07, 0.1, 0.15)
    powers: tuple[float, ...] = (6.0,)  # of the inverse-power weighting; empty leaves it out

    def __post_init__(self) -> None:
        if not self.neighbors or not (self.temperatures or self.powers):
            raise ConfigError("fit needs at least one of neighbors and one weighting to try")


class LabelledKeys(NamedTuple):
    """Pictures of one split whose prompts are known."""

    rows: pl.DataFrame  # METADATA
    keys: np.ndarray  # (n, d_image) float32 unit length
    truth: np.ndarray  # (n, d_prompt) float32 unit length


def labelled_keys(embeddings: Path, split: str, targets: Targets) -> LabelledKeys:
    """Keys and true prompt vectors of one split; raises ConfigError where it is empty."""
    embedded = read_embeddings(embeddings)
    chosen = (embedded.rows["split"] == split).to_numpy()
    if not chosen.any():
        raise ConfigError(
            f"{embeddings} holds no {split} picture; give the corpus some, for instance "
            f"`corpus.{split}: 100`, and build again"
        )
    rows = embedded.rows.filter(chosen)
    truth = to_unit_length(targets(rows["prompt_id"]))
    return LabelledKeys(rows, to_unit_length(embedded.vectors[chosen]), truth)


def fit_bundle(
    bundle: Path,
    embeddings: Path,
    targets: Targets,
    config: FitConfig,
    trained: Path | None = None,
    progress: Progress = SILENT,
) -> Blend:
    """Choose the head, tune kNN and alpha on validation, and save them into `bundle`.

    `trained` is the export that the encoder's tower comes from, if it was trained.
    """
    index = PromptIndex.load(bundle / INDEX)
    train = labelled_keys(embeddings, "train", targets)
    validation = labelled_keys(embeddings, "validation", targets)
    spaces = (index.manifest.space, index.manifest.target_space)
    if read_description(bundle / ENCODER).output == "prediction":
        heads: list[RegressionHead] = [_encoder_head(train, validation, spaces)]
    else:
        heads = [
            fit_ridge(
                (train.keys, train.truth),
                (validation.keys, validation.truth),
                spaces,
                config.head.penalties,
            )
        ]
        if trained is not None:
            heads.append(_trained_head(trained, train, validation, spaces))
    for head in heads:
        kind, cosine = head.description.kind, head.description.validation_cosine
        progress.note(f"head {kind}: validation cosine {cosine:.4f}")
    best = max(heads, key=lambda head: head.description.validation_cosine)
    best.save(bundle / HEAD)
    blend = tune_blend(index, best, validation, config)
    save_blend(bundle / BLEND, blend)
    progress.note(
        f"blend: alpha {blend.alpha:.2f}, k {blend.knn.k}, {blend.knn.weighting}, validation "
        f"cosine {blend.validation_cosine:.4f}"
    )
    return blend


def _encoder_head(
    train: LabelledKeys, validation: LabelledKeys, spaces: tuple[str, str]
) -> EncoderHead:
    cosine = mean_cosine(to_unit_length(validation.keys), validation.truth)
    return EncoderHead(HeadDescription("encoder", *spaces, None, len(train.keys), cosine))


def _trained_head(
    trained: Path, train: LabelledKeys, validation: LabelledKeys, spaces: tuple[str, str]
) -> RegressionHead:
    matrices = read_head(trained)
    taken = len(matrices.get("weight_1", matrices["weight_2"]))
    if taken != train.keys.shape[1]:
        raise ConfigError(
            f"the trained head takes features of length {taken}, the encoder gives "
            f"{train.keys.shape[1]}; set `encoder.output: prediction` or `features`"
        )
    unscored = HeadDescription("trained", *spaces, None, len(train.keys), 0.0)
    found = trained_head(matrices, unscored).predict(validation.keys)
    scored = replace(unscored, validation_cosine=mean_cosine(found, validation.truth))
    return trained_head(matrices, scored)


def tune_blend(
    index: PromptIndex, head: RegressionHead, validation: LabelledKeys, config: FitConfig
) -> Blend:
    """The kNN settings and the alpha that do best together.

    Beside a strong head other neighbours help than alone: fewer, since the head already knows what
    all of them share.
    """
    neighbors = find_prompts(index, validation.keys, max(config.neighbors))
    regressed = head.predict(validation.keys)
    best: Blend | None = None
    for candidate in _knn_candidates(config):
        estimate = estimate_from_neighbors(neighbors, index.targets, candidate).vectors
        alpha, cosine = choose_alpha(estimate, regressed, validation.truth)
        if best is None or cosine > best.validation_cosine:
            best = Blend(alpha, candidate, cosine, len(validation.keys))
    if best is None:
        raise ConfigError("fit has no kNN setting to try")
    return best


def _knn_candidates(config: FitConfig) -> list[KnnConfig]:
    softmax = [
        KnnConfig(k=k, temperature=temperature)
        for k in config.neighbors
        for temperature in config.temperatures
    ]
    inverse = [
        KnnConfig(k=k, weighting="inverse_power", power=power)
        for k in config.neighbors
        for power in config.powers
    ]
    return softmax + inverse
