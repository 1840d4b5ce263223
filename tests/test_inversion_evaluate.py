"""Scores: the mean and its interval, the baselines by hand, and the tiny run scored for real."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unprompt.index.base.errors import ConfigError, CorpusError
from unprompt.index.bundle.run_folder import RunFolder
from unprompt.index.encoders.protocols import to_unit_length
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.inversion.estimate.blend import MAIN, Blend, load_blend, mean_cosine
from unprompt.inversion.estimate.head import HeadDescription, LinearHead
from unprompt.inversion.estimate.knn import KnnConfig
from unprompt.inversion.estimate.member import estimate_prompts
from unprompt.inversion.estimate.text_bank import estimate_from_texts
from unprompt.inversion.fit.evaluate import breakdown, predict_held_out, score, vectors_by_method
from unprompt.inversion.fit.fit import labelled_keys
from unprompt.inversion.fit.tune import FitConfig, MemberKeys, tune_blend
from unprompt.inversion.inverter import Inverter
from unprompt.ui.jobs.config import load_config
from unprompt.ui.jobs.evaluation.evaluate_run import evaluate_run
from unprompt.ui.jobs.evaluation.report import lengths

METHODS = ("constant", "nearest prompt", "knn", "head", "blend")
AXES = np.eye(3, dtype=np.float32)


def test_mean_and_interval_by_hand() -> None:
    """Every cosine is 0.6: so is the mean, and both ends of its interval."""
    truth = np.tile([[1.0, 0.0]], (50, 1))
    found = score("knn", np.tile([[0.6, 0.8]], (50, 1)), truth, np.arange(50) % 10)
    assert (found.method, found.n, found.prompts) == ("knn", 50, 10)
    assert (found.mean_cosine, *found.ci95) == pytest.approx((0.6, 0.6, 0.6))


def test_interval_holds_the_mean_and_narrows_with_n() -> None:
    widths = []
    for count in (20, 2000):
        vectors = to_unit_length(np.random.default_rng(1).normal(size=(count, 4)) + 1)
        truth = np.tile(to_unit_length(np.ones((1, 4))), (count, 1))
        found = score("blend", vectors, truth, np.arange(count))
        low, high = found.ci95
        assert low < found.mean_cosine < high
        # the textbook interval of a mean: 1.96 standard errors to each side
        error = np.std(vectors @ truth[0]) / count**0.5
        assert high - low == pytest.approx(2 * 1.96 * error, rel=0.12)
        assert found == score("blend", vectors, truth, np.arange(count)), "the same twice"
        widths.append(high - low)
    assert widths[1] < widths[0] / 5


@pytest.mark.parametrize("sizes", [[20] * 60, [1] * 200, [1, 2, 3, 4, 5] * 16])
def test_intervals_match_a_brute_force_bootstrap_over_prompts(sizes: list[int]) -> None:
    """Pictures of a prompt are alike; resampling pictures would give a far narrower interval."""
    random = np.random.default_rng(4)
    prompts = random.permutation(np.repeat(np.arange(len(sizes)), sizes))
    angles = 0.4 * random.random(len(sizes))[prompts] + 0.02 * random.random(len(prompts))
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    truth = np.tile([[1.0, 0.0]], (len(prompts), 1))
    found = score("blend", vectors, truth, prompts)
    means = np.array([np.cos(angles[prompts == one]).mean() for one in range(len(sizes))])
    drawn = [means[random.integers(0, len(means), len(means))].mean() for _ in range(4000)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    assert found.mean_cosine == pytest.approx(means.mean())
    assert found.ci95[1] - found.ci95[0] == pytest.approx(high - low, rel=0.08)
    if max(sizes) == 20:
        by_picture = score("blend", vectors, truth, np.arange(len(prompts))).ci95
        assert high - low > 3 * (by_picture[1] - by_picture[0])


def test_a_query_without_neighbors_is_answered_by_the_constant(
    tmp_path: Path, content: Any, make_index: Any
) -> None:
    """Row -1 is no row: the last row of the index must not answer for it."""
    make_index(tmp_path / "index", content(AXES, AXES))
    index = PromptIndex.load(tmp_path / "index")
    blend = Blend(0.5, KnnConfig(k=1), 1.0, 3)
    description = HeadDescription("ridge", "colours", "words", 1.0, 3, 1.0)
    head = LinearHead(AXES, np.zeros(3, np.float32), description)
    keys = AXES[:2]
    estimates = estimate_prompts([(index, head)], [keys], blend)
    neighbors = estimates.knn.neighbors
    neighbors.rows[1], neighbors.scores[1] = -1, -np.inf
    found = vectors_by_method(index, keys, blend, estimates)["nearest prompt"]
    np.testing.assert_allclose(found, [AXES[0], np.full(3, 3**-0.5)], atol=1e-4)


def test_baselines_by_hand(tmp_path: Path, content: Any, make_index: Any) -> None:
    """Three axes are keys and targets: the constant is their diagonal, the nearest its own axis."""
    make_index(tmp_path / "index", content(AXES, AXES))
    description = HeadDescription("ridge", "colours", "words", 1.0, 3, 1.0)
    head = LinearHead(AXES, np.zeros(3, np.float32), description)
    keys = to_unit_length([[2.0, 1.0, 0.0], [0.0, 0.0, 1.0]])  # type: ignore[arg-type]
    members = [(PromptIndex.load(tmp_path / "index"), head)]
    blend = Blend(0.5, KnnConfig(k=1), 1.0, 3)
    estimates = estimate_prompts(members, [keys], blend)
    found = vectors_by_method(members[0][0], keys, blend, estimates)
    assert tuple(found) == METHODS
    np.testing.assert_allclose(found["constant"], np.full((2, 3), 3**-0.5), atol=1e-4)
    np.testing.assert_allclose(found["nearest prompt"], AXES[[0, 2]], atol=1e-6)
    np.testing.assert_allclose(found["knn"], AXES[[0, 2]], atol=1e-6)
    np.testing.assert_allclose(found["head"], keys, atol=1e-3)
    np.testing.assert_allclose(found["blend"], to_unit_length(AXES[[0, 2]] + keys), atol=1e-3)
    assert score(
        "constant", found["constant"], AXES[[0, 2]], np.arange(2)
    ).mean_cosine == pytest.approx(3**-0.5, abs=1e-4)


def test_a_text_bank_by_hand() -> None:
    """Two texts at distances 0.2 and 0.4: the notebooks' weights, and their targets' mean."""
    picture = np.array([[1.0, 0.0]], dtype=np.float32)
    texts = np.array([[0.8, 0.6], [0.6, 0.8]], dtype=np.float32)
    near, far = 1 / (0.2**6 + 1e-4), 1 / (0.4**6 + 1e-4)
    found = estimate_from_texts(picture, texts, AXES[:2])
    wanted = np.array([[near, far, 0.0]]) / np.hypot(near, far)
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    with pytest.raises(CorpusError, match="text tower of the same CLIP"):
        estimate_from_texts(picture, AXES, AXES)


@pytest.mark.slow
def test_a_clip_is_scored_on_a_bank_of_prompts(tiny_run: Path, tmp_path: Path, cli: Any) -> None:
    """The offline CLIP's text tower is MiniLM: its bank is the corpus' own target vectors."""
    small = (
        "--set",
        "corpus.count=120",
        "--set",
        "corpus.validation=15",
        "--set",
        "corpus.test=15",
        "--set",
        "fallback=null",
    )
    clip = ("--set", "encoder.output=embedding", "--set", "index.whiten=0")
    run = ("eval", "scenes-tiny", "-o", tmp_path / "run", *small, *clip, "--json")
    methods = [found["method"] for found in json.loads(cli(*run).out)["methods"]]
    assert "text bank" not in methods
    methods = [found["method"] for found in json.loads(cli(*run, "--text-bank").out)["methods"]]
    assert methods.index("text bank") == methods.index("knn") - 1
    refused = cli("eval", "scenes-tiny", "-o", tiny_run, "--text-bank")
    assert refused.code == 1 and "encoder.output: embedding" in refused.err


def test_tuning_takes_the_best_setting(tmp_path: Path, content: Any, make_index: Any) -> None:
    """The nearest neighbour alone is right: k = 1 and alpha = 1 must win over a head that errs."""
    make_index(tmp_path, content(AXES, AXES))
    description = HeadDescription("ridge", "colours", "words", 1.0, 3, 1.0)
    head = LinearHead(-AXES, np.zeros(3, np.float32), description)
    keys = to_unit_length(AXES + 0.5)
    member = MemberKeys(MAIN, PromptIndex.load(tmp_path), keys, head.predict(keys))
    config = FitConfig(neighbors=(3, 1), temperatures=(0.5,), powers=(), penalties=(), gate=False)
    blend = tune_blend([member], AXES, np.arange(3), config)
    assert (blend.knn.k, blend.alpha) == (1, 1.0)
    assert blend.validation_cosine == pytest.approx(1.0, abs=1e-3)
    assert blend.validation_queries == 3


def test_fit_settings_that_try_nothing() -> None:
    for wrong in ({"neighbors": ()}, {"temperatures": (), "powers": (), "penalties": ()}):
        with pytest.raises(ConfigError, match="at least one"):
            FitConfig(**wrong)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"neighbors": (10, 4096)}, "k from 1 to 2048, got 4096"),
        ({"neighbors": (0,)}, "k >= 1"),
        ({"temperatures": (0.1, -1.0)}, "temperature > 0"),
    ],
)
def test_settings_that_no_query_could_use_are_refused_before_the_build(
    wrong: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        FitConfig(**wrong)


def test_a_split_without_pictures_says_what_to_set(tiny_run: Path) -> None:
    with pytest.raises(ConfigError, match=r"no spare picture.*corpus\.spare"):
        labelled_keys(tiny_run / "embeddings" / "image", "spare", None)  # type: ignore[arg-type]


def test_the_tiny_run_scored(tiny_run: Path) -> None:
    found = evaluate_run(tiny_run, load_config("scenes-tiny"))
    scores, leaks = found.scores, found.leaks
    by_method = {found.method: found for found in scores}
    assert tuple(name for name in by_method if name != "even blend") == METHODS
    assert leaks["highest_cosine"] < leaks["threshold"]
    assert {found.n for found in scores} == {leaks["test"]}
    assert by_method["blend"].mean_cosine > by_method["constant"].mean_cosine
    assert by_method["knn"].mean_cosine > by_method["nearest prompt"].mean_cosine


def test_what_was_tuned_is_what_answers(tiny_run: Path) -> None:
    """The validation cosine in blend.json, worked out again by the inverter that users load."""
    from unprompt.build.corpus.corpus import read_corpus

    corpus = read_corpus(tiny_run / "corpus")
    validation = labelled_keys(tiny_run / "embeddings" / "image", "validation", corpus)
    blend = load_blend(tiny_run / "bundle" / "blend.json")
    assert len(validation.keys) == blend.validation_queries
    estimates = Inverter.load(tiny_run / "bundle").estimate([validation.keys])
    found = mean_cosine(estimates.blend, validation.truth)
    assert found == pytest.approx(blend.validation_cosine, abs=1e-3)
    run = RunFolder(tiny_run)
    test = predict_held_out(run.bundle, run.image_embeddings, corpus)
    assert test.scores()[-1].method == "blend" and len(test.expected) == len(test.truth)
    groups = breakdown(test, lengths(test.rows))
    assert sum(group.n for group in groups) == len(test.truth)
    weighted = sum(group.n * group.mean_cosine for group in groups) / len(test.truth)
    assert weighted == pytest.approx(test.cosines.mean())
