"""The page of a bundle of two worlds: a bank of prompts for real pictures, and scenes.

Red pictures belong to `real`, blue ones to `scenes`; a key is the color of its picture.
"""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from unprompt.index.bundle.bundle import seal_bundle
from unprompt.index.search.factory import IndexConfig
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.store.segments import IndexContent
from unprompt.index.store.write import write_index
from unprompt.inversion.estimate.blend import Blend
from unprompt.inversion.estimate.confidence import Confidence
from unprompt.inversion.estimate.gate import SIGNALS
from unprompt.inversion.estimate.head import EncoderHead, HeadDescription, LinearHead
from unprompt.inversion.estimate.knn import KnnConfig
from unprompt.inversion.estimate.member import Member
from unprompt.inversion.estimate.router import Regression, RoutedWorld, Router, RouterSettings
from unprompt.inversion.estimate.world import World
from unprompt.inversion.inverter import Inverter
from unprompt.inversion.query import Query
from unprompt.ui.page.backend import Backend, make_backend
from unprompt.ui.page.examples import make_examples
from unprompt.ui.page.html import write_examples, write_footer, write_header
from unprompt.ui.page.photographs import PHOTOGRAPHS, Photograph, find_photographs
from unprompt.ui.page.summary import summarize
from unprompt.ui.page.the_index import search_prompts, write_facts, write_results

AXES = np.eye(3, dtype=np.float32)
EXPECTED = {"scenes": 0.82, "real": 0.45}


def certain(cosine: float) -> Confidence:
    """Expects the same of every picture."""
    none = (0.0,) * len(SIGNALS)
    return Confidence(none, (1.0,) * len(none), none * 2, cosine, (0.0, 1.0), 0.0, 9)


def make_world(folder: Path, name: str, content: Any, encoder: Any) -> World:
    """`real` searches a bank with its prediction, `scenes` an index of drawn pictures."""
    bank = name == "real"
    rows = content(AXES, AXES).rows()
    rows = rows.with_columns(
        pl.lit("prompts" if bank else "scenes-by-hand").alias("generator"),
        pl.format("{} {}", pl.lit(name), "prompt").alias("prompt"),
    )
    space, kind = ("words", "prompt") if bank else ("colours", "image")
    whole = IndexContent(rows, AXES, AXES, space, "words", kind)
    write_index(folder, whole, AXES[:0], IndexConfig("Flat", recall_k=1))
    described = HeadDescription("ridge", "colours", "words", 1.0, 3, 1.0)
    head = LinearHead(AXES, np.zeros(3, np.float32), described) if bank else EncoderHead(described)
    member = Member("main", encoder, PromptIndex.load(folder), head)
    return World(name, (member,), Blend(1.0, KnnConfig(k=2), 0.9, 3), certain(EXPECTED[name]))


def make_router(constant: float) -> Router:
    """The logit of scenes is the blue of a key, times 99, that of real the red."""
    worlds = tuple(
        RoutedWorld(name, "colours", 3, certain(0.0), (constant,) * len(EXPECTED))
        for name in EXPECTED
    )
    weights = np.zeros((6, 2), np.float32)
    weights[2, 0] = weights[0, 1] = 99.0
    none = np.zeros(0, np.float32)
    return Router(RouterSettings(worlds), Regression(weights, np.zeros(2, np.float32), none, none))


@pytest.fixture
def worlds(tmp_path: Path, content: Any, colour_encoder: Any) -> list[World]:
    return [
        make_world(tmp_path / "made" / name, name, content, colour_encoder) for name in EXPECTED
    ]


@pytest.fixture
def backend(tmp_path: Path, worlds: list[World]) -> Backend:
    return make(tmp_path, Inverter(worlds, make_router(constant=0.1)))


def make(tmp_path: Path, inverter: Inverter) -> Backend:
    folder = tmp_path / "both"
    folder.mkdir()
    seal_bundle(folder, "both", "colours", "words")
    return make_backend(folder, inverter, tmp_path / "uploads")


def ask(backend: Backend, color: str) -> tuple[str, str]:
    """The answer and the neighbors for a picture of nearly one color."""
    path = backend.uploads / f"{color}.png"
    Image.linear_gradient("L").convert("RGB").save(path)
    with Image.open(path) as gradient:
        one = Image.new("RGB", gradient.size, color)
        Image.composite(one, Image.new("RGB", gradient.size), gradient.convert("L")).save(path)
    return backend.answer({"path": str(path)}, Query(2))


def test_the_answer_says_which_world_it_is_from_and_how_sure(backend: Backend) -> None:
    answer, neighbors = ask(backend, "red")
    assert (
        "How sure: <b>fair, about 0.45</b>" in answer and "answered from: real pictures" in answer
    )
    assert 'aria-valuenow="0.45"' in answer and "up-outside" not in answer
    assert "real prompt 0" in answer and neighbors == "", "a bank has no pictures to show"
    answer, neighbors = ask(backend, "blue")
    assert "How sure: <b>good, about 0.82</b>" in answer and "answered from: scenes" in answer
    assert "scenes prompt 2" in answer and neighbors.count("<figure>") == 2


def test_a_guess_and_a_blank_picture_are_said_in_words(tmp_path: Path, worlds: list[World]) -> None:
    backend = make(tmp_path, Inverter(worlds, make_router(constant=0.9)))
    answer, _ = ask(backend, "blue")
    assert "No world of this bundle expects to do better than guessing." in answer
    assert "low, about 0.82" in answer and "Blank" not in answer
    path = backend.uploads / "plain.png"
    Image.new("RGB", (64, 64), "red").save(path)
    answer, _ = backend.answer({"path": str(path)}, Query(2))
    assert "Blank or nearly blank picture." in answer


def test_the_first_screen_names_both_worlds_real_pictures_first(backend: Backend) -> None:
    header = re.sub("<[^>]+>", "", write_header(backend.bundle))
    assert "Loaded both · real pictures: 3 prompts · scenes: 3 pictures, 3 prompts" in header
    footer = write_footer(backend.bundle)
    assert "knows 2 worlds: real pictures, scenes." in footer
    assert "OpenMoji" in footer and "scenes world only" not in footer


def test_examples_are_of_both_worlds_with_their_sources(backend: Backend) -> None:
    """scikit-image and matplotlib are installed for the tests."""
    photographs, scenes = backend.groups
    assert len(photographs.examples) == len(PHOTOGRAPHS) == len(scenes.examples) == 6
    shown = write_examples(backend.groups)
    assert re.findall(r'data-example="(\d+)"', shown) == [str(place) for place in range(12)]
    for one in PHOTOGRAPHS:
        assert f"{one.title}: {one.credit}" in shown
        assert "CC0" in one.credit or "public domain" in one.credit
    assert "From scikit-image and matplotlib." in shown
    for example, said in ((backend.examples[1], "Rachel Michetti"), (backend.examples[6], "moka")):
        answer, _ = backend.answer({"path": str(example.path)}, Query(2))
        assert said in answer[answer.index("up-truth") :]


def test_only_what_is_installed_is_shown() -> None:
    """No package, no file, and a file that is no picture."""
    coffee = PHOTOGRAPHS[1]
    missing = [("no_such_package", coffee.file), ("skimage", "data/none.png")]
    wanted = [
        Photograph(package, file, "", "")
        for package, file in (*missing, ("skimage", "data/README.txt"))
    ]
    [(found, picture)] = find_photographs([*wanted, coffee])
    assert found == coffee and picture.size == (512, 341) and picture.mode == "RGB"


def test_a_bundle_of_scenes_alone_shows_scenes(tmp_path: Path, worlds: list[World]) -> None:
    alone = World(None, worlds[0].members, worlds[0].blend, worlds[0].confidence)
    backend = make(tmp_path, Inverter([alone]))
    [group] = make_examples(tmp_path / "examples", backend.bundle)
    assert group.heading == "Or try one of these" and group.credit == ""
    assert "3 pictures · 3 prompts" in write_header(backend.bundle)
    assert "scenes world only" in write_footer(backend.bundle)
    bank = World(None, worlds[1].members, worlds[1].blend, worlds[1].confidence)
    found = summarize(tmp_path / "both", Inverter([bank]))
    assert make_examples(tmp_path / "none", found) == []
    assert "pictures" not in write_header(found).split("Loaded")[1]


class Searched(Inverter):
    """With a prompt encoder that reads every text as the first axis, then the third."""

    def composer_of(self, world: World) -> Any:
        vector = np.array([0.8, 0.0, 0.6], np.float32)
        return SimpleNamespace(encoder=SimpleNamespace(encode=lambda texts: vector[None]))


def test_the_search_covers_all_worlds(worlds: list[World]) -> None:
    found = search_prompts(Searched(worlds, make_router(0.1)), "any text", 3)
    assert [(one["world"], one["prompt"], one["score"]) for one in found] == [
        ("scenes", "scenes prompt 0", 0.8),
        ("real", "real prompt 0", 0.8),
        ("scenes", "scenes prompt 2", 0.6),
    ]
    assert "score 0.800 · real pictures" in write_results(found)
    facts = write_facts(worlds)
    assert facts.count("<table") == 2 and "<h2>real pictures</h2>" in facts
    assert "3 pictures of 3 prompts" in facts and "<td>3 prompts</td>" in facts
