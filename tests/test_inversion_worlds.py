"""Several worlds in one bundle: every expectation can be worked out, and the best world answers.

The worlds `warm` and `cold` know reds and blues. A picture is red as much as its key says.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from unprompt.index.base.durable import read_json, write_json
from unprompt.index.base.errors import ConfigError, DamagedFileError, SpaceMismatchError
from unprompt.index.bundle.bundle import digest_bundle, read_bundle, seal_bundle
from unprompt.index.search.factory import IndexConfig
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.store.segments import IndexContent
from unprompt.index.store.write import write_index
from unprompt.inversion.estimate.blend import Blend, MemberShare, save_blend
from unprompt.inversion.estimate.confidence import Confidence, save_confidence
from unprompt.inversion.estimate.gate import SIGNALS
from unprompt.inversion.estimate.head import EncoderHead, HeadDescription, LinearHead
from unprompt.inversion.estimate.knn import KnnConfig
from unprompt.inversion.estimate.member import Member
from unprompt.inversion.estimate.router import (
    Regression,
    RoutedWorld,
    Router,
    RouterSettings,
    load_router,
    softmax,
)
from unprompt.inversion.estimate.world import World, follow
from unprompt.inversion.fit.worlds import join_worlds
from unprompt.inversion.inverter import Inverter
from unprompt.inversion.query import Query

AXES = np.eye(3, dtype=np.float32)
RED, GREEN, BLUE = (Image.new("RGB", (4, 4), name) for name in ("red", "lime", "blue"))
PURPLE = Image.new("RGB", (4, 4), (200, 0, 150))  # its key is (0.8, 0, 0.6)
NAMES = ("warm", "cold", "odd")
AT_HOME = {"warm": 0.9, "cold": 0.8, "odd": 0.7}  # cosines that a world expects of its own pictures
ABROAD = {"warm": 0.2, "cold": 0.3, "odd": 0.1}  # and of those of the others
STEEP = 4.0


def certain(cosine: float) -> Confidence:
    """Expects the same of every picture."""
    none = (0.0,) * len(SIGNALS)
    return Confidence(none, (1.0,) * len(none), none * 2, cosine, (0.0, 1.0), 0.0, 9)


def make_router(
    count: int = 2, neither: bool = False, temperature: float | None = None, constant: float = 0.5
) -> Router:
    """The logit of warm is the red of its key, times 4; of cold the blue; of the third the green.

    The class `neither` takes the green where there are two worlds.
    """
    names = NAMES[:count]
    kinds = (("neither",), (0.1,)) if neither else ((), ())
    constants = (constant,) * (count + neither)
    worlds = tuple(
        RoutedWorld(name, "colours", 3, certain(ABROAD[name]), constants, kinds[1])
        for name in names
    )
    settings = RouterSettings(worlds, kinds[0], temperature=temperature)
    weights = np.zeros((settings.columns, len(settings.names)), np.float32)
    for column, colour in zip(range(len(settings.names)), (0, 2, 1), strict=False):
        weights[colour, column] = STEEP
    bias = np.zeros(len(settings.names), np.float32)
    return Router(settings, Regression(weights, bias, bias[:0], bias[:0]))


def share(*others: float) -> float:
    """The softmax of 4 among the logits of other classes."""
    return float(np.exp(STEEP) / (np.exp(STEEP) + np.exp(others).sum()))


@pytest.fixture
def worlds(tmp_path: Path, content: Any, make_index: Any, colour_encoder: Any) -> list[World]:
    """Three worlds of one colour encoder; the rows of each have prompts and targets of its own."""
    made = []
    for number, name in enumerate(NAMES):
        folder = tmp_path / "made" / name
        targets = np.roll(AXES, number, axis=0)
        make_index(folder, content(AXES, targets, prompt_ids=[10 * number + i for i in range(3)]))
        head = EncoderHead(HeadDescription("encoder", "colours", "words", None, 3, 1.0))
        member = Member("main", colour_encoder, PromptIndex.load(folder), head)
        blend = Blend(1.0, KnnConfig(k=1), 0.9, 3)
        made.append(World(name, (member,), blend, certain(AT_HOME[name])))
    return made


def test_the_world_of_a_picture_answers(worlds: list[World]) -> None:
    inverter = Inverter(worlds[:2], make_router())
    red, blue = inverter.invert([RED, BLUE])
    p = share(0.0)  # of the class whose colour it is
    assert (red.world, red.prompt) == ("warm", "prompt 0")
    assert red.expected_cosine == pytest.approx(p * 0.9 + (1 - p) * 0.2, abs=1e-5)
    np.testing.assert_allclose(red.vector, [1, 0, 0], atol=1e-6)
    assert (blue.world, blue.prompt) == ("cold", "prompt 12")
    assert blue.expected_cosine == pytest.approx(p * 0.8 + (1 - p) * 0.3, abs=1e-5)
    np.testing.assert_allclose(blue.vector, [0, 1, 0], atol=1e-6)
    assert not red.outside and not blue.outside and red.as_json()["world"] == "warm"
    assert inverter.world_of(blue) is worlds[1] and inverter.index is worlds[0].index


def test_the_higher_expectation_wins_not_the_higher_probability(worlds: list[World]) -> None:
    """A world that is better with strangers than the other at home takes the other's pictures."""
    router = make_router()
    eager = replace(router.settings.worlds[1], foreign=certain(0.99))
    settings = replace(router.settings, worlds=(router.settings.worlds[0], eager))
    answer = Inverter(worlds[:2], Router(settings, router.regression)).invert(RED)
    p = share(0.0)
    assert p > 0.98 and answer.world == "cold"
    assert answer.expected_cosine == pytest.approx((1 - p) * 0.8 + p * 0.99, abs=1e-5)


def test_outside_is_what_no_world_beats_its_constant_with(worlds: list[World]) -> None:
    """Green belongs to neither, where both worlds expect about 0.1; both constants are 0.5."""
    answers = Inverter(worlds[:2], make_router(neither=True)).invert([GREEN, RED])
    neither = share(0.0, 0.0)
    p = (1 - neither) / 2  # of either world
    assert answers[0].outside and answers[0].world == "cold"
    expected = p * 0.8 + p * 0.3 + neither * 0.1
    assert answers[0].expected_cosine == pytest.approx(expected, abs=1e-5)
    assert answers[0].prompt == "prompt 11", "answered all the same"
    router = make_router(neither=True)
    modest = replace(router.settings.worlds[0], constants=(0.05,) * 3)
    settings = replace(router.settings, worlds=(modest, router.settings.worlds[1]))
    answer = Inverter(worlds[:2], Router(settings, router.regression)).invert(GREEN)
    assert answer.world == "cold" and not answer.outside, "warm expects to beat its own constant"
    assert not answers[1].outside
    low = Inverter(worlds[:2], make_router(neither=True, constant=0.05)).invert(GREEN)
    assert not low.outside and low.world == "cold"


def test_the_constant_is_that_of_the_class_of_the_picture(worlds: list[World]) -> None:
    """Each class weighs by its probability: of 0.04 for green, and 0.5 for the two worlds."""
    router = make_router(neither=True)
    neither = share(0.0, 0.0)
    p = (1 - neither) / 2
    expected = p * 0.8 + p * 0.3 + neither * 0.1
    for of_green, outside in ((0.04, False), (0.2, True)):
        own = tuple(replace(w, constants=(0.5, 0.5, of_green)) for w in router.settings.worlds)
        settings = replace(router.settings, worlds=own)
        green = Inverter(worlds[:2], Router(settings, router.regression)).invert(GREEN)
        assert (expected <= 2 * p * 0.5 + neither * of_green) == outside == green.outside
    with pytest.raises(ConfigError, match="a constant for each of the classes"):
        replace(router.settings, worlds=tuple(replace(w, constants=(0.5,)) for w in own))


def test_a_temperature_mixes_the_worlds(worlds: list[World]) -> None:
    """Purple: warm answers with one axis, cold with another, weighted by their expectations."""
    inverter = Inverter(worlds[:2], make_router(temperature=0.1))
    alone = Inverter(worlds[:2], make_router()).invert(PURPLE)
    answer = inverter.invert(PURPLE)
    p = 1 / (1 + np.exp(STEEP * (0.6 - 0.8)))
    expected = np.array([p * 0.9 + (1 - p) * 0.2, (1 - p) * 0.8 + p * 0.3])
    shares = softmax(expected[None] / 0.1)[0]
    own = AXES[[0, 2]]  # warm's target of red, and cold's
    mixed = shares[0] * own[0] + shares[1] * own[1]
    np.testing.assert_allclose(answer.vector, mixed / np.linalg.norm(mixed), atol=1e-5)
    np.testing.assert_allclose(alone.vector, own[0], atol=1e-6)
    assert answer.world == alone.world == "warm"


def test_the_query_blend_is_followed_by_every_world() -> None:
    first = Blend(0.5, KnnConfig(k=10), 0.9, 3)
    own = Blend(0.2, KnnConfig(k=50, temperature=0.1), 0.9, 3)
    assert follow(own, first, first) == own
    changed = follow(own, first, first.with_knn(KnnConfig(k=7)))
    assert changed.knn == KnnConfig(k=7, temperature=0.1) and changed.alpha == 0.2
    assert follow(own, first, first.with_alpha(1.0)).alpha == 1.0


class Counting:
    """A colour encoder that counts its calls."""

    def __init__(self, encoder: Any):
        self.space, self.dim, self.calls, self._encoder = encoder.space, 3, 0, encoder

    def encode(self, images: Sequence[Image.Image]) -> np.ndarray:
        self.calls += 1
        return np.asarray(self._encoder.encode(images))


def test_a_tower_that_all_worlds_use_runs_once(worlds: list[World], colour_encoder: Any) -> None:
    encoder = Counting(colour_encoder)
    shared = [
        replace(world, members=(replace(world.members[0], encoder=encoder),)) for world in worlds
    ]
    answers = Inverter(shared, make_router(3)).invert([RED, BLUE, GREEN])
    assert [answer.world for answer in answers] == ["warm", "cold", "odd"]
    assert encoder.calls == 1


# -- members without pictures of their own --


def bank(folder: Path, content: Any) -> PromptIndex:
    """Three prompts whose keys are their own vectors."""
    rows = content(AXES, AXES).rows()
    whole = IndexContent(rows, AXES, AXES, "words", "words", "prompt")
    write_index(folder, whole, AXES[:0], IndexConfig("Flat", recall_k=1))
    return PromptIndex.load(folder)


def test_a_bank_of_prompts_is_searched_with_the_prediction(
    tmp_path: Path, content: Any, colour_encoder: Any
) -> None:
    """The head turns red into the third axis, so the third prompt is the neighbor."""
    turn = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]], np.float32)
    head = LinearHead(
        turn, np.zeros(3, np.float32), HeadDescription("ridge", "colours", "words", 1.0, 3, 1.0)
    )
    member = Member("main", colour_encoder, bank(tmp_path, content), head)
    answer = Inverter([World(None, (member,), Blend(1.0, KnnConfig(k=1), 0.9, 3))]).invert(RED)
    assert answer.prompt == "prompt 2" and answer.world is None
    np.testing.assert_allclose(answer.vector, AXES[2], atol=1e-6)
    with pytest.raises(ConfigError, match="needs a head"):
        replace(member, name="classes", head=None)
    stranger = LinearHead(
        turn, np.zeros(3, np.float32), HeadDescription("ridge", "colours", "other", 1.0, 3, 1.0)
    )
    with pytest.raises(SpaceMismatchError, match="other.*words"):
        replace(member, head=stranger)


def test_a_member_without_a_head_adds_neighbors_alone(worlds: list[World], tmp_path: Path) -> None:
    """main says the first axis for red, the classes the second: halfway, with main's head."""
    main, classes = worlds[0].members[0], worlds[1].members[0]
    bare = replace(classes, name="classes", head=None)
    knn = KnnConfig(k=1)
    shares = (MemberShare("main", knn, 1.0, 1.0), MemberShare("classes", knn, 1.0, 0.0))
    world = World(None, (main, bare), Blend(1.0, knn, 0.9, 3, members=shares))
    answer = Inverter([world]).invert(RED)
    half = np.array([1, 0, 0]) + worlds[1].index.targets[0]
    np.testing.assert_allclose(answer.vector, half / np.linalg.norm(half), atol=1e-6)
    np.testing.assert_allclose(answer.head, [1, 0, 0], atol=1e-6)
    with pytest.raises(ConfigError, match="main needs a head"):
        replace(main, head=None)


# -- bundles on disk --


@pytest.fixture
def bundles(
    tmp_path: Path, worlds: list[World], colour_encoder: Any, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Path]:
    """A bundle per world with an encoder that `colour_encoder` stands for."""
    monkeypatch.setattr(
        "unprompt.inversion.estimate.member.load_encoder", lambda *_: colour_encoder
    )
    found = {}
    for world in worlds:
        folder = tmp_path / "bundles" / str(world.name)
        write_json(folder / "encoder" / "encoder.json", {"space": "colours", "dim": 3})
        shutil.copytree(world.index.folder, folder / "index")
        assert world.members[0].head and world.confidence
        world.members[0].head.save(folder / "head")
        save_blend(folder / "blend.json", world.blend)
        save_confidence(folder / "confidence.json", world.confidence)
        seal_bundle(folder, str(world.name), "colours", "words")
        found[str(world.name)] = folder
    return found


Join = Callable[..., Path]


@pytest.fixture
def join(bundles: dict[str, Path], tmp_path: Path) -> Join:
    def joined(count: int = 3) -> Path:
        own = {name: bundles[name] for name in NAMES[:count]}
        join_worlds(own, make_router(count), tmp_path / "joined")
        return tmp_path / "joined"

    return joined


def test_three_worlds_in_one_bundle(join: Join, worlds: list[World]) -> None:
    folder = join()
    inverter = Inverter.load(folder)
    assert [world.name for world in inverter.worlds] == list(NAMES)
    assert len({id(world.members[0].encoder) for world in inverter.worlds}) == 1
    in_memory = Inverter(worlds, make_router(3)).invert([RED, GREEN, BLUE])
    for one, other in zip(inverter.invert([RED, GREEN, BLUE]), in_memory, strict=True):
        assert one.as_json() == other.as_json()
    assert [answer.world for answer in in_memory] == ["warm", "odd", "cold"]
    assert set(read_bundle(folder, verify=True).indexes) == {
        "index", "worlds/cold/index", "worlds/odd/index",
    }  # fmt: skip
    names = {path.name for path in folder.iterdir()}
    assert {"router.json", "router.safetensors", "worlds", "bundle.json"} <= names


def test_a_bundle_of_one_world_loads_as_before(bundles: dict[str, Path]) -> None:
    inverter = Inverter.load(bundles["cold"])
    answer = inverter.invert(BLUE)
    assert (answer.world, answer.prompt) == (None, "prompt 12")
    assert answer.expected_cosine == pytest.approx(0.8) and inverter.router is None


def test_a_router_is_read_back(tmp_path: Path) -> None:
    router = make_router(2, neither=True, temperature=0.05)
    router.save(tmp_path)
    again = load_router(tmp_path)
    assert again.settings == router.settings
    for one, other in zip(again.regression, router.regression, strict=True):
        np.testing.assert_array_equal(one, other)


def exchange_weights(folder: Path) -> None:
    """Those of a router with more classes."""
    settings = read_json(folder / "router.json")
    make_router(3, neither=True).save(folder)
    write_json(folder / "router.json", settings)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "no JSON": lambda folder: (folder / "router.json").write_text("{"),
    "unknown setting": lambda folder: write_json(
        folder / "router.json", read_json(folder / "router.json") | {"mood": 1}
    ),
    "other weights": exchange_weights,
    "broken weights": lambda folder: (folder / "router.safetensors").write_bytes(b"broken"),
    "a world is gone": lambda folder: (folder / "worlds" / "odd").rename(folder / "odd"),
    "an unknown world": lambda folder: (folder / "worlds" / "more").mkdir(),
    "no router": lambda folder: (folder / "router.json").unlink(),
    "not calibrated": lambda folder: (folder / "worlds" / "odd" / "confidence.json").unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_worlds_are_refused(damage: str, join: Join) -> None:
    folder = join()
    DAMAGES[damage](folder)
    for _ in range(2):  # found by the records of the bundle, and where these agree
        with pytest.raises(DamagedFileError):
            Inverter.load(folder)
        seal_bundle(folder, "joined", "colours", "words")


def test_worlds_of_other_towers_are_refused(join: Join, colour_encoder: Any) -> None:
    folder = join()
    settings = read_json(folder / "router.json")
    settings["worlds"][1]["space"] = "shapes"
    write_json(folder / "router.json", settings)
    seal_bundle(folder, "joined", "colours", "words")
    with pytest.raises(SpaceMismatchError, match="the world cold.*colours.*shapes"):
        Inverter.load(folder)


def test_what_cannot_be_joined(bundles: dict[str, Path], join: Join, tmp_path: Path) -> None:
    folder = join()
    with pytest.raises(ConfigError, match="is not empty"):
        join()
    two = {"warm": bundles["warm"], "cold": bundles["cold"]}
    with pytest.raises(ConfigError, match="chooses between"):
        join_worlds(dict(reversed(two.items())), make_router(), tmp_path / "new")
    with pytest.raises(ConfigError, match="has several worlds"):
        join_worlds({**two, "cold": folder}, make_router(), tmp_path / "new")
    (bundles["cold"] / "confidence.json").unlink()
    seal_bundle(bundles["cold"], "cold", "colours", "words")
    with pytest.raises(ConfigError, match="has no confidence.json"):
        join_worlds(two, make_router(), tmp_path / "new")


def test_a_change_of_any_world_changes_the_identity_of_the_bundle(join: Join) -> None:
    folder = join()
    before = digest_bundle(folder)
    blend = folder / "worlds" / "cold" / "blend.json"
    blend.write_text(json.dumps(read_json(blend) | {"alpha": 0.5}))
    seal_bundle(folder, "joined", "colours", "words")
    assert digest_bundle(folder) != before


def test_a_query_without_candidates_of_a_world(worlds: list[World]) -> None:
    answers = Inverter(worlds[:2], make_router()).invert([RED, BLUE], Query(1, compose=False))
    assert [len(answer.candidates) for answer in answers] == [1, 1]
