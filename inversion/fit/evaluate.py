"""A run's bundle and test pictures -> one score per method: mean cosine, 95% interval, n."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from unprompt.index.base.durable import stable_id
from unprompt.index.base.errors import ConfigError
from unprompt.index.bundle.bundle import BLEND, CONFIDENCE, ENCODER
from unprompt.index.encoders.protocols import to_unit_length
from unprompt.index.exported.export import read_description
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.inversion.compose.beam_search import Composer
from unprompt.inversion.estimate.blend import Blend, load_blend, mix
from unprompt.inversion.estimate.confidence import load_confidence
from unprompt.inversion.estimate.knn import estimate
from unprompt.inversion.estimate.member import (
    Estimates,
    estimate_prompts,
    load_main,
    search_keys,
)
from unprompt.inversion.estimate.text_bank import estimate_from_texts
from unprompt.inversion.fit.by_prompt import group_numbers, score_prompts
from unprompt.inversion.fit.fit import Truths, labelled_keys


@dataclass(frozen=True)
class MethodScore:
    """Mean cosine between one method's vectors and those of the true prompts, over prompts.

    The cosines of the pictures of a prompt are averaged first.
    """

    method: str
    mean_cosine: float
    ci95: tuple[float, float]  # percentile bootstrap over the prompts
    n: int  # pictures
    prompts: int

    def as_json(self) -> dict[str, Any]:
        """The score with plain JSON values."""
        return {**asdict(self), "ci95": list(self.ci95)}


class HeldOutPredictions(NamedTuple):
    """What every method predicts for the test pictures of a run."""

    rows: pl.DataFrame  # METADATA
    truth: np.ndarray  # (n, d_prompt) unit length
    vectors: Mapping[str, np.ndarray]  # (n, d_prompt) by method
    expected: np.ndarray | None  # (n,) cosines to expect of the blend

    @property
    def cosines(self) -> np.ndarray:
        """Cosine between the blend and the truth, (n,)."""
        return np.einsum("nd,nd->n", self.vectors["blend"], self.truth).astype(np.float64)

    @property
    def prompts(self) -> np.ndarray:
        """The number (n,) of each picture's prompt."""
        return group_numbers(self.rows["prompt_id"].to_list())

    def scores(self) -> list[MethodScore]:
        """One score per method, the baselines first."""
        prompts = self.prompts
        return [score(name, found, self.truth, prompts) for name, found in self.vectors.items()]


class TextBank(NamedTuple):
    """Known prompts, encoded by the text tower of a CLIP."""

    keys: np.ndarray  # (n, d_image), in the joint space of the pictures' keys
    targets: np.ndarray  # (n, d_prompt)


def predict_held_out(
    bundle: Path, embeddings: Path, truths: Truths, bank: TextBank | None = None
) -> HeldOutPredictions:
    """Predict the prompts of a run's test pictures by every method; with `bank` from texts too.

    A tower that predicts prompt vectors needs no bank: the vectors of the known prompts are one.
    """
    index, head = load_main(bundle)
    test = labelled_keys(embeddings, "test", truths)
    blend = load_blend(bundle / BLEND)
    if bank is None and read_description(bundle / ENCODER).output == "prediction":
        bank = _known_prompts(index)
    estimates = estimate_prompts([(index, head)], [test.keys], blend)
    vectors = vectors_by_method(index, test.keys, blend, estimates, bank)
    expected = None
    if (bundle / CONFIDENCE).is_file():
        expected = load_confidence(bundle / CONFIDENCE)(estimates.signals)
    return HeldOutPredictions(test.rows, test.truth, vectors, expected)


def score_texts(
    predictions: HeldOutPredictions, composer: Composer, count: int
) -> tuple[MethodScore, float]:
    """Compose prompts for `count` pictures; returns their score and the median seconds per prompt.

    A hash of the ids chooses the pictures, so that all runs over one corpus score the same ones.
    Raises ConfigError without a prompt encoder.
    """
    if composer.encoder is None:
        raise ConfigError("scoring composed prompts needs the prompt encoder: the extra `build`")
    ids = predictions.rows["image_id"].to_list()
    chosen = sorted(range(len(ids)), key=lambda place: stable_id("texts", ids[place]))[:count]
    texts, seconds = [], []
    for place in chosen:
        begun = time.perf_counter()
        texts.append(composer.compose(predictions.vectors["blend"][place]).text)
        seconds.append(time.perf_counter() - begun)
    vectors = composer.encoder.encode(texts)
    found = score("composed text", vectors, predictions.truth[chosen], predictions.prompts[chosen])
    return found, float(np.median(seconds))


def breakdown(predictions: HeldOutPredictions, groups: pl.Series) -> list[MethodScore]:
    """The score of the blend in each group of test pictures, largest first; `groups` is (n,)."""
    names = groups.cast(pl.String).fill_null("unknown")
    counted = names.value_counts(sort=True, name="count")
    blend, truth, prompts = predictions.vectors["blend"], predictions.truth, predictions.prompts
    return [
        score(name, blend[mask], truth[mask], prompts[mask])
        for name in counted[names.name].to_list()
        for mask in [(names == name).to_numpy()]
    ]


def vectors_by_method(
    index: PromptIndex,
    keys: np.ndarray,
    blend: Blend,
    estimates: Estimates,
    bank: TextBank | None = None,
) -> Mapping[str, np.ndarray]:
    """Prompt vectors (n, d_prompt) by method, for keys (n, d_image) and the `estimates` of them.

    `constant` is the mean target of the index, `nearest prompt` the target of the nearest picture,
    or the constant where the search found none.
    `knn` takes the neighbors that score best without a head. `text bank` compares the picture with
    prompts instead of pictures. `even blend` leaves out the gate, where there is one.
    """
    constant = np.repeat(index.mean_target[None], len(keys), axis=0)
    rows = estimates.knn.neighbors.rows[:, 0]
    nearest = to_unit_length(np.asarray(index.targets[np.maximum(rows, 0)], dtype=np.float32))
    found = {
        "constant": constant,
        "nearest prompt": np.where((rows >= 0)[:, None], nearest, constant),
    }
    if bank is not None:
        found["text bank"] = estimate_from_texts(keys, bank.keys, bank.targets)
    alone = blend.knn_alone or blend.knn
    # a search for another k may find other neighbors in an approximate index
    neighbors = estimates.knn.neighbors if alone.k == blend.knn.k else None
    searched = search_keys(index, keys, estimates.head)
    found |= {"knn": estimate(index, searched, alone, neighbors).vectors, "head": estimates.head}
    if blend.gate is not None:
        mean = index.mean_target if blend.prior else None
        found["even blend"] = mix(
            estimates.knn_vectors, estimates.head, blend.alpha, blend.prior, mean
        )
    return {**found, "blend": estimates.blend}


def _known_prompts(index: PromptIndex) -> TextBank:
    """The prompts of the index without repeats, as vectors of the prompt space."""
    first = np.sort(np.unique(index.rows["prompt_id"].to_numpy(), return_index=True)[1])
    vectors = to_unit_length(np.asarray(index.targets[first], dtype=np.float32))
    return TextBank(vectors, vectors)


def score(
    method: str, vectors: np.ndarray, truth: np.ndarray, prompts: np.ndarray, seed: int = 0
) -> MethodScore:
    """Mean cosine of unit vectors (n, d) to the truth, with a bootstrap interval over prompts.

    `prompts` (n,) are the numbers of the pictures' prompts.
    """
    cosines = np.einsum("nd,nd->n", vectors, truth).astype(np.float64)
    found = score_prompts(method, cosines, prompts, seed)
    return MethodScore(method, found.mean_cosine, found.ci95, found.pictures, found.prompts)
