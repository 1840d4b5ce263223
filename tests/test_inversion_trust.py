"""How far to trust an answer: expected cosines are calibrated, foreign pictures are told apart."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from unprompt.index.base.errors import ConfigError, DamagedFileError, SpaceMismatchError
from unprompt.index.encoders.protocols import to_unit_length
from unprompt.index.towers.class_bank import describe_photo, read_class_bank
from unprompt.index.towers.novelty import NoveltyConfig, fit_novelty, load_novelty
from unprompt.inversion.estimate.confidence import (
    calibration_error,
    load_confidence,
    measure_reliability,
    save_confidence,
)
from unprompt.inversion.estimate.gate import SIGNALS
from unprompt.inversion.estimate.world import World
from unprompt.inversion.fit.calibrate import fit_confidence
from unprompt.inversion.inverter import Inverter
from unprompt.inversion.query import Query


def test_confidence_finds_a_known_line(tmp_path: Path) -> None:
    """cosine = 0.6 + 0.1 z of one signal: expected within the noise, calibrated, and saved."""
    random = np.random.default_rng(0)
    signals = random.normal(3.0, 2.0, size=(2000, len(SIGNALS)))
    z = (signals[:, 2] - 3.0) / 2.0
    cosines = 0.6 + 0.1 * z + 0.05 * random.normal(size=2000)
    found = fit_confidence(signals[:1000], cosines[:1000], np.arange(1000))
    expected = found(signals[1000:])
    inside = np.abs(z[1000:]) < 2  # the rest is clipped to what occurred
    assert np.abs(expected - 0.6 - 0.1 * z[1000:])[inside].mean() < 0.01
    assert found.calibration_error < 0.015
    unseen = calibration_error(measure_reliability(expected, cosines[1000:]))
    assert unseen < 0.015
    save_confidence(tmp_path / "confidence.json", found)
    assert load_confidence(tmp_path / "confidence.json") == found


def test_calibration_error_by_hand() -> None:
    """Two bins of five: one expects 0.5 and finds 0.4, the other 0.9 and finds 0.9."""
    expected = np.repeat([0.5, 0.9], 50)
    bins = measure_reliability(expected, np.repeat([0.4, 0.9], 50))
    assert sum(part.pictures for part in bins) == 100
    assert calibration_error(bins) == pytest.approx(0.05)


def test_expectations_stay_within_what_occurred() -> None:
    signals = np.random.default_rng(1).normal(size=(200, len(SIGNALS)))
    found = fit_confidence(signals, 0.5 + 0.1 * signals[:, 0], np.arange(200))
    far = found(np.full((1, len(SIGNALS)), 100.0))
    assert found.range[0] <= far[0] <= found.range[1]


def plane(count: int, seed: int, off: float) -> np.ndarray:
    """Unit keys near a plane of a space of 20 dimensions, `off` it."""
    random = np.random.default_rng(seed)
    keys = np.zeros((count, 20))
    keys[:, :2] = random.normal(size=(count, 2))
    return to_unit_length(keys + off * random.normal(size=keys.shape))


def test_novelty_sees_what_leaves_the_subspace(tmp_path: Path) -> None:
    config = NoveltyConfig(explained=0.9, false_alarms=0.05)
    novelty = fit_novelty(plane(500, 0, 0.05), plane(400, 1, 0.05), "space", config)
    known = novelty.measure(plane(1000, 2, 0.05))
    assert 0.01 < (known > 1).mean() < 0.12, "about the false alarms asked for"
    assert (novelty.measure(plane(200, 3, 1.0)) > 1).all()
    novelty.save(tmp_path)
    again = load_novelty(tmp_path, "space")
    np.testing.assert_allclose(again.measure(plane(9, 4, 0.1)), novelty.measure(plane(9, 4, 0.1)))
    with pytest.raises(SpaceMismatchError, match="other.*space|space.*other"):
        load_novelty(tmp_path, "other")
    (tmp_path / "novelty.safetensors").write_bytes(b"broken")
    with pytest.raises(DamagedFileError, match="--stage fallback"):
        load_novelty(tmp_path, "space")


def test_novelty_without_pictures() -> None:
    with pytest.raises(ConfigError, match="validation prompts.*fallback: null"):
        fit_novelty(plane(10, 0, 0.1), plane(1, 0, 0.1)[:0], "space", NoveltyConfig())


def test_classes_of_imagenet() -> None:
    bank = read_class_bank("efficientnet-lite0")
    assert len(bank.prompts) == 1000 and bank.keys.shape == (1000, 1280)
    assert bank.prompts[0] == "a photo of a tench" and bank.prompts[9] == "a photo of an ostrich"
    assert describe_photo("ice cream") == "a photo of an ice cream"
    with pytest.raises(ConfigError, match="efficientnet-lite0.*got 'ViT-B-32'"):
        read_class_bank("ViT-B-32")


PHOTOGRAPHS = {
    "skimage/data/chelsea.png": "cat",
    "skimage/data/coffee.png": "espresso",
    "skimage/data/rocket.jpg": "missile",
    "skimage/data/motorcycle_left.png": "motor scooter",
    "skimage/data/clock_motion.png": "wall clock",
    "sklearn/datasets/images/flower.jpg": "daisy",
    "sklearn/datasets/images/china.jpg": "palace",
    "skimage/data/astronaut.png": None,  # ImageNet has no astronaut
    "skimage/data/camera.png": "tripod",
    "skimage/data/hubble_deep_field.jpg": None,
    "skimage/data/horse.png": None,  # a silhouette
    "skimage/data/coins.png": None,
}


@pytest.fixture(scope="module")
def photographs() -> dict[str, Image.Image]:
    import skimage

    site = Path(skimage.__file__).parents[1]
    return {name: Image.open(site / name).convert("RGB") for name in PHOTOGRAPHS}


@pytest.mark.slow
def test_photographs_are_answered_by_the_world_of_real_pictures(
    photographs: dict[str, Image.Image],
) -> None:
    """With prompts of the bank and an honest expectation: nobody promises 0.7 for a photograph."""
    starter = Inverter.load()
    answers = starter.invert(list(photographs.values()), Query(candidates=5))
    assert sum(answer.world == "real" for answer in answers) >= len(answers) - 1
    bank = set(starter.worlds[1].index.rows["prompt"])
    for name, answer in zip(photographs, answers, strict=True):
        assert answer.prompt and np.linalg.norm(answer.vector) == pytest.approx(1), name
        assert answer.expected_cosine is not None and answer.novelty is None
        if answer.world == "real":
            assert {candidate.prompt for candidate in answer.candidates} <= bank
    expected = [answer.expected_cosine or 0.0 for answer in answers]
    assert 0.35 < np.mean(expected) < 0.6
    assert "cat" in answers[0].prompt.split()


def test_scenes_are_not_outside(tiny_run: Path, tiny_pictures: list[Any]) -> None:
    inverter = Inverter.load(tiny_run / "bundle")
    answers = inverter.invert(tiny_pictures, Query(compose=False))
    outside = [answer.outside for answer in answers]
    assert np.mean(outside) < 0.1, "40 validation pictures draw a coarse line"


def test_a_bundle_without_fallback_judges_nothing(tiny_run: Path) -> None:
    whole = Inverter.load(tiny_run / "bundle")
    bare = Inverter([World(None, whole.members, whole.blend)])
    (answer,) = bare.invert([Image.effect_noise((64, 64), 80).convert("RGB")])
    assert (answer.outside, answer.novelty, answer.expected_cosine) == (False, None, None)


@pytest.mark.slow
def test_banned_words_are_kept_out_of_answers_to_photographs(
    photographs: dict[str, Image.Image],
) -> None:
    from unprompt.inversion.compose.settings import ComposeConfig

    cat = photographs["skimage/data/chelsea.png"]
    query = Query(5, words=ComposeConfig(ban=("cat", "kitten")))
    (answer,) = Inverter.load().invert([cat], query)
    assert answer.prompt and not {"cat", "kitten"} & set(answer.prompt.lower().split())


def test_what_lies_in_the_bundle(tiny_run: Path) -> None:
    described = json.loads((tiny_run / "bundle" / "fallback" / "novelty.json").read_text())
    assert (described["pictures"], described["held_out"]) == (320, 40)
