"""A built run -> one score a method on its held-out test pictures: mean cosine, 95% interval, n."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from unprompt.index.base.durable import stable_id
from unprompt.index.base.errors import ConfigError
from unprompt.index.bundle.bundle import BLEND, CONFIDENCE, ENCODER, HEAD, INDEX
from unprompt.index.encoders.protocols import to_unit_length
from unprompt.index.exported.export import read_description
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.inversion.compose.beam_search import Composer
from unprompt.inversion.estimate.blend import Blend, load_blend
from unprompt.inversion.estimate.confidence import load_confidence
from unprompt.inversion.estimate.head import RegressionHead, load_head
from unprompt.inversion.estimate.knn import estimate
from unprompt.inversion.estimate.member import estimate_prompts
from unprompt.inversion.estimate.text_bank import estimate_from_texts
from unprompt.inversion.fit.fit import Targets, labelled_keys

RESAMPLES = 2000


@dataclass(frozen=True)
class MethodScore:
    """How near one method's vectors come to the true prompts' vectors."""

    method: str
    mean_cosine: float
    ci95: tuple[float, float]  # percentile bootstrap over the test pictures
    n: int

    def as_json(self) -> dict[str, Any]:
        """The score with plain JSON values."""
        return {**asdict(self), "ci95": list(self.ci95)}


class Examined(NamedTuple):
    """What every method said of the held-out test pictures of a run."""

    rows: pl.DataFrame  # METADATA
    truth: np.ndarray  # (n, d_prompt) unit length
    vectors: Mapping[str, np.ndarray]  # (n, d_prompt) by method
    expected: np.ndarray | None  # (n,) cosines to expect of the blend

    @property
    def cosines(self) -> np.ndarray:
        """Cosine of the blend to the truth, (n,)."""
        return np.einsum("nd,nd->n", self.vectors["blend"], self.truth).astype(np.float64)

    def scores(self) -> list[MethodScore]:
        """One score a method, the baselines first."""
        return [score(method, found, self.truth) for method, found in self.vectors.items()]


class TextBank(NamedTuple):
    """Known prompts as a CLIP's text tower sees them."""

    keys: np.ndarray  # (n, d_image), of the same joint space as the pictures' keys
    targets: np.ndarray  # (n, d_prompt)


def examine_run(
    bundle: Path, embeddings: Path, targets: Targets, bank: TextBank | None = None
) -> Examined:
    """Ask every method about the test split of a run; with `bank` the text bank too.

    A tower that predicts prompt vectors needs no bank: the prompts' own vectors are one.
    """
    index = PromptIndex.load(bundle / INDEX)
    head = load_head(bundle / HEAD, index.manifest.space)
    test = labelled_keys(embeddings, "test", targets)
    blend = load_blend(bundle / BLEND)
    if bank is None and read_description(bundle / ENCODER).output == "prediction":
        bank = _known_prompts(index)
    vectors = predict_all([(index, head)], [test.keys], blend, bank)
    expected = None
    if (bundle / CONFIDENCE).is_file():
        signals = estimate_prompts([(index, head)], [test.keys], blend).signals
        expected = load_confidence(bundle / CONFIDENCE)(signals)
    return Examined(test.rows, test.truth, vectors, expected)


def score_texts(examined: Examined, composer: Composer, count: int) -> tuple[MethodScore, float]:
    """Composed prompts for `count` of the answers, scored as text, and the median seconds of one.

    The pictures are drawn by their ids, so that every run over the corpus scores the same ones.
    Raises ConfigError without a prompt encoder.
    """
    if composer.encoder is None:
        raise ConfigError("scoring composed prompts needs the prompt encoder: the extra `build`")
    ids = examined.rows["image_id"].to_list()
    chosen = sorted(range(len(ids)), key=lambda place: stable_id("texts", ids[place]))[:count]
    texts, seconds = [], []
    for place in chosen:
        begun = time.perf_counter()
        texts.append(composer.compose(examined.vectors["blend"][place]).text)
        seconds.append(time.perf_counter() - begun)
    vectors = composer.encoder.encode(texts)
    found = score("composed text", vectors, examined.truth[chosen])
    return found, float(np.median(seconds))


def breakdown(examined: Examined, groups: pl.Series) -> list[MethodScore]:
    """The blend's score in each group of test pictures, largest group first; `groups` is (n,)."""
    names = groups.cast(pl.String).fill_null("unknown")
    counted = names.value_counts(sort=True, name="count")
    return [
        score(name, examined.vectors["blend"][mask], examined.truth[mask])
        for name in counted[names.name].to_list()
        for mask in [(names == name).to_numpy()]
    ]


def predict_all(
    members: Sequence[tuple[PromptIndex, RegressionHead]],
    keys: Sequence[np.ndarray],
    blend: Blend,
    bank: TextBank | None = None,
) -> Mapping[str, np.ndarray]:
    """Prompt vectors (n, d_prompt) by method, for the keys (n, d_image) of each member.

    `constant` answers every picture with the mean of the index' targets, `nearest prompt` with
    the prompt of the nearest picture alone, `knn` with the neighbours as they serve best without a
    head. `text bank` compares the picture with prompts instead of pictures. `even blend` is the
    blend before the gate, where there is one.
    """
    index = members[0][0]
    estimates = estimate_prompts(members, keys, blend)
    alone = estimate(index, keys[0], blend.knn_alone or blend.knn)
    nearest = np.asarray(index.targets[estimates.knn.neighbors.rows[:, 0]], dtype=np.float32)
    found = {
        "constant": np.repeat(index.mean_target[None], len(keys[0]), axis=0),
        "nearest prompt": to_unit_length(nearest),
    }
    if bank is not None:
        found["text bank"] = estimate_from_texts(keys[0], bank.keys, bank.targets)
    found |= {"knn": alone.vectors, "head": estimates.head}
    if blend.gate is not None:
        found["even blend"] = estimate_prompts(members, keys, replace(blend, gate=None)).blend
    return {**found, "blend": estimates.blend}


def _known_prompts(index: PromptIndex) -> TextBank:
    """The index' prompts, each once, as vectors of the prompt space."""
    first = np.sort(np.unique(index.rows["prompt_id"].to_numpy(), return_index=True)[1])
    vectors = to_unit_length(np.asarray(index.targets[first], dtype=np.float32))
    return TextBank(vectors, vectors)


def score(method: str, vectors: np.ndarray, truth: np.ndarray, seed: int = 0) -> MethodScore:
    """Mean cosine of unit vectors (n, d) to the truth, with a bootstrap interval."""
    cosines = np.einsum("nd,nd->n", vectors, truth).astype(np.float64)
    generator = np.random.default_rng(seed)
    count = len(cosines)
    means = np.array(
        [cosines[generator.integers(0, count, count)].mean() for _ in range(RESAMPLES)]
    )
    low, high = np.percentile(means, [2.5, 97.5])
    return MethodScore(method, float(cosines.mean()), (float(low), float(high)), count)
