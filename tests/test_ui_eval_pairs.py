"""Scores on labelled pairs: by hand, over three colours with a cache, and from the command line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image
from test_inversion_worlds import certain, make_router

import unprompt
from unprompt.index.base.errors import CorpusError
from unprompt.index.pairs.labelled_pairs import open_labelled_pairs
from unprompt.index.pairs.pair_tables import labelled_frame
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.inversion.estimate.blend import Blend
from unprompt.inversion.estimate.head import EncoderHead, HeadDescription, LinearHead
from unprompt.inversion.estimate.knn import KnnConfig
from unprompt.inversion.estimate.member import Member
from unprompt.inversion.estimate.world import World
from unprompt.inversion.inverter import Inverter
from unprompt.ui.jobs.evaluation.pair_answers import METHODS, PairAnswers, answer_pairs
from unprompt.ui.jobs.evaluation.pairs import (
    choose_rows,
    constant_of_others,
    encode_truth,
    score_answers,
)
from unprompt.ui.jobs.evaluation.pairs_report import (
    group_table,
    method_table,
    summary_line,
    write_pairs_report,
)

AXES = np.eye(3, dtype=np.float32)
NONE = pl.DataFrame(schema={"name": pl.String, "fault": pl.String})


class Letters:
    """Prompts that start with a, b or c -> the axes."""

    space, dim = "words", 3

    def encode(self, texts: Any) -> np.ndarray:
        return AXES[["abc".index(text[0]) for text in texts]]


def rows_of(prompts: list[list[str]], **labels: list[str | None]) -> pl.DataFrame:
    names = [f"p{place}" for place in range(len(prompts))]
    return labelled_frame({"name": names, "prompts": prompts, "path": names, **labels})


def answers_of(
    vectors: np.ndarray, expected: list[float | None], **fields: list[Any]
) -> PairAnswers:
    count = len(vectors)
    columns = {
        "expected_cosine": expected,
        "outside": [False] * count,
        "blank": [False] * count,
        "world": [None] * count,
        "prompt": ["an answer"] * count,
        "fault": [None] * count,
        **fields,
    }
    schema = {"world": pl.String, "fault": pl.String, "expected_cosine": pl.Float64}
    stored = {name: vectors.astype(np.float16) for name in METHODS}
    return PairAnswers(stored, pl.DataFrame(columns, schema_overrides=schema))


def test_several_captions_give_the_mean_cosine() -> None:
    truth = encode_truth(rows_of([["a one", "b two"], ["c"]]), Letters())
    np.testing.assert_allclose(truth, [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])


def test_the_constant_of_a_set_is_that_of_the_other_sources() -> None:
    truth = AXES[[0, 0, 1, 2]]
    prompts = np.array([0, 0, 1, 2])
    found = constant_of_others(truth, prompts, np.array(["x", "x", "x", "y"]))
    assert found is not None
    np.testing.assert_allclose(found[3], np.array([1.0, 1.0, 0.0]) / 2**0.5, atol=1e-6)
    np.testing.assert_allclose(found[:3], AXES[[2, 2, 2]], atol=1e-6)
    assert constant_of_others(truth, prompts, np.array(["x"] * 4)) is None


def test_scores_by_hand() -> None:
    rows = rows_of(
        [["a"], ["a"], ["b"], ["c"]],
        source=["x", "x", "y", "y"],
        kind=["drawn", "drawn", "drawn", None],
    )
    answered = answers_of(
        AXES[[0, 1, 1, 0]],
        [0.9, 0.3, 0.8, None],
        outside=[False, False, False, True],
        blank=[True, False, False, False],
        world=["one", "one", "two", "two"],
    )
    constants = {"one": AXES[0], "two": AXES[2]}
    found = score_answers(rows, encode_truth(rows, Letters()), answered, constants, NONE)
    scores = {score.name: score for score in found.methods}
    assert list(scores) == ["constant", "constant of this set", *METHODS]
    # prompt a: 1 and 0, prompt b: 1, prompt c: 0
    assert scores["answer"].mean_cosine == pytest.approx((0.5 + 1.0 + 0.0) / 3)
    assert scores["answer"].success == pytest.approx(0.5)
    assert scores["constant"].mean_cosine == pytest.approx((1.0 + 0.0 + 1.0) / 3)
    over = {score.name: score for score in found.over_sources}
    assert over["answer"].mean_cosine == pytest.approx((0.5 + 0.5) / 2)
    assert found.worlds == {"one": 0.5, "two": 0.5}
    assert found.overall.outside == found.overall.blank == 0.25
    kinds = {group.answer.name: group for group in found.groups["kind"]}
    assert list(kinds) == ["drawn", "unknown"]
    # three pictures fill one bin: expected 2/3, found 2/3
    assert kinds["drawn"].calibration_error == pytest.approx(0.0, abs=1e-6)
    assert kinds["unknown"].calibration_error is None and kinds["unknown"].outside == 1.0
    sources = {group.answer.name: group for group in found.groups["source"]}
    # source x: expected 0.6, found 0.5; source y: expected 0.8, found 1.0
    assert sources["x"].calibration_error == pytest.approx(0.1)
    assert sources["x"].promised == pytest.approx(0.1)
    assert sources["y"].promised == pytest.approx(-0.2)


def test_calibration_is_weighted_by_pictures() -> None:
    """100 pictures: five bins of 20, of which one is 0.5 too high."""
    expected = [0.1] * 20 + [0.2] * 20 + [0.3] * 20 + [0.4] * 20 + [0.9] * 20
    found = np.array([0.1] * 20 + [0.2] * 20 + [0.3] * 20 + [0.4] * 40)
    vectors = np.stack([found, np.sqrt(1 - found**2), 0 * found], axis=1)
    rows = rows_of([["a"]] * 100)
    truth = encode_truth(rows, Letters())
    scored = score_answers(rows, truth, answers_of(vectors, expected), {None: AXES[0]}, NONE)
    assert scored.overall.calibration_error == pytest.approx(0.1, abs=1e-3)
    assert scored.over_sources == [] and scored.worlds == {"-": 1.0}


def test_pictures_that_fail_are_left_out() -> None:
    rows = rows_of([["a"], ["b"]])
    truth = encode_truth(rows, Letters())
    answered = answers_of(AXES[[0, 0]], [None, None], fault=[None, "damaged"])
    found = score_answers(rows, truth, answered, {None: AXES[0]}, NONE)
    assert found.table["name"].to_list() == ["p0"]
    assert found.failed.to_dicts() == [{"name": "p1", "fault": "damaged"}]
    assert "1 pairs left out, such as p1: damaged" in summary_line(found)
    broken = answers_of(AXES[[0, 0]], [None, None], fault=["damaged", "damaged"])
    with pytest.raises(CorpusError, match="damaged"):
        score_answers(rows, truth, broken, {None: AXES[0]}, NONE)


def test_a_limit_takes_the_same_rows_of_any_order() -> None:
    rows = rows_of([["a"]] * 30)
    chosen = choose_rows(rows, 7)
    assert chosen.height == 7
    assert set(choose_rows(rows.reverse(), 7)["name"]) == set(chosen["name"])
    assert choose_rows(rows, None).height == choose_rows(rows, 99).height == 30


@pytest.fixture
def colours(tmp_path: Path, content: Any, make_index: Any, colour_encoder: Any) -> Inverter:
    """Red, green and blue have the axes as targets; the head answers with the third, always."""
    make_index(tmp_path / "index", content(AXES, AXES))
    description = HeadDescription("ridge", "colours", "words", 1.0, 3, 1.0)
    head = LinearHead(np.zeros((3, 3), np.float32), AXES[2], description)
    blend = Blend(1.0, KnnConfig(k=1), 0.9, 3)
    member = Member("main", colour_encoder, PromptIndex.load(tmp_path / "index"), head)
    return Inverter([World(None, (member,), blend)])


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    folder = tmp_path / "pairs"
    folder.mkdir()
    for place in range(40):
        color, text = (("red", "a"), ("lime", "b"))[place % 2]
        Image.new("RGB", (6, 6), color).save(folder / f"{place:02d}.png")
        (folder / f"{place:02d}.txt").write_text(text, encoding="utf-8")
    (folder / "05.png").write_bytes(b"no picture")
    return folder


def test_answers_are_cached_by_block(colours: Inverter, pairs: Path, tmp_path: Path) -> None:
    rows = open_labelled_pairs(pairs).whole
    first = answer_pairs(colours, rows, tmp_path / "cache")
    blocks = sorted((tmp_path / "cache").iterdir())
    assert len(blocks) == 2
    np.testing.assert_array_equal(first.vectors["answer"][:2], AXES[:2])
    np.testing.assert_array_equal(first.vectors["nearest prompt"][:2], AXES[:2])
    np.testing.assert_array_equal(first.vectors["head"][:2], AXES[[2, 2]])
    assert "no picture" in first.table["fault"][5]
    assert not first.vectors["answer"][5].any()

    blocks[0].write_bytes(blocks[0].read_bytes()[:100])  # as a full disk leaves it
    asked: list[int] = []
    invert = colours.invert_images
    colours.invert_images = lambda images, query: (  # type: ignore[method-assign]
        asked.append(len(images)) or invert(images, query)
    )
    again = answer_pairs(colours, rows, tmp_path / "cache")
    assert len(asked) == 1, "the whole block is not asked again"
    assert again.table.equals(first.table)
    np.testing.assert_array_equal(again.vectors["answer"], first.vectors["answer"])


def test_each_world_answers_with_its_own_index_and_constant(
    pairs: Path, tmp_path: Path, content: Any, make_index: Any, colour_encoder: Any
) -> None:
    """Red is of the world warm, whose targets are the axes; lime is of neither, so cold answers."""
    worlds = []
    for number, name in enumerate(("warm", "cold")):
        targets = np.roll(AXES, number, axis=0)  # cold has the first axis for lime
        make_index(tmp_path / name, content(AXES, targets))
        head = EncoderHead(HeadDescription("encoder", "colours", "words", None, 3, 1.0))
        member = Member("main", colour_encoder, PromptIndex.load(tmp_path / name), head)
        worlds.append(World(name, (member,), Blend(1.0, KnnConfig(k=1), 0.9, 3), certain(0.9)))
    inverter = Inverter(worlds, make_router(neither=True))
    rows = open_labelled_pairs(pairs).whole[:2]
    found = answer_pairs(inverter, rows, None)
    assert found.table["world"].to_list() == ["warm", "cold"]
    assert found.table["outside"].to_list() == [False, True]
    np.testing.assert_array_equal(found.vectors["nearest prompt"], AXES[[0, 0]])
    np.testing.assert_array_equal(found.vectors["answer"], AXES[[0, 0]])
    constants = {"warm": AXES[0], "cold": AXES[1]}
    scored = score_answers(rows, encode_truth(rows, Letters()), found, constants, NONE)
    assert scored.worlds == {"warm": 0.5, "cold": 0.5}
    assert [score.mean_cosine for score in scored.methods if score.name == "constant"] == [1.0]
    assert "50.0% answered by cold" in summary_line(scored)


def test_the_report_shows_groups_and_cases(colours: Inverter, pairs: Path, tmp_path: Path) -> None:
    listed = open_labelled_pairs(pairs)
    rows = listed.whole.with_columns(
        source=pl.Series(["x", "y"] * 20),
        kind=pl.Series(["drawn", "drawn", "painted", "drawn"] * 10),
    )
    found = score_answers(
        rows,
        encode_truth(rows, Letters()),
        answer_pairs(colours, rows, None),
        {None: colours.index.mean_target},
        listed.faulty.select("name", "fault"),
    )
    page = write_pairs_report(tmp_path / "report", "colours", found)
    text = page.read_text(encoding="utf-8")
    for part in ("## Methods", "## By source", "## By kind", "## Worst cases", "05.png"):
        assert part in text
    assert "## By generator" not in text and "## Trust" not in text
    named = {path.name for path in page.parent.iterdir()}
    assert {"methods.png", "by-source.png", "worst-1.webp", "best-6.webp"} <= named
    saved = json.loads((page.parent / "scores.json").read_text(encoding="utf-8"))
    assert saved["overall"]["answer"]["pictures"] == 39
    assert pl.read_parquet(page.parent / "pairs.parquet")["answer"].to_list() == [1.0] * 39
    assert "| drawn" in group_table(found.groups["kind"], "kind")
    assert "39 (2 prompts)" in method_table(found)


def test_the_command_scores_a_bundle(tiny_run: Path, tmp_path: Path, cli: Any) -> None:
    report = tmp_path / "report"
    arguments = ["eval", "--pairs", tiny_run / "images", "--bundle", tiny_run / "bundle"]
    limits = ["--limit", 12, "--text", 2, "--report", "-o", report, "--json"]
    first = cli(*arguments, *limits)
    assert first.code == 0, first.err
    shown = json.loads(first.out)
    names = [score["name"] for score in shown["methods"]]
    assert names[0] == "constant" and names[-2:] == ["text", "answer to the same pictures"]
    by_name = {score["name"]: score["mean_cosine"] for score in shown["methods"]}
    assert by_name["answer"] > by_name["constant"]
    assert shown["overall"]["answer"]["pictures"] == 12
    assert (report / "report.md").is_file()
    (report / "report.md").unlink()
    again = cli(*arguments, *(part for part in limits if part != "--report"))
    assert json.loads(again.out) == shown, "from the cache"
    assert not (report / "report.md").exists()
    found = unprompt.evaluate_pairs(
        tiny_run / "images", bundle=tiny_run / "bundle", answers=report, limit=12
    )
    assert [score.as_json() for score in found.methods] == shown["methods"][:-2]


def test_the_command_explains_what_belongs_together(cli: Any, tmp_path: Path) -> None:
    for arguments in (
        ["eval"],
        ["eval", "scenes-tiny", "--limit", "3"],
        ["eval", "scenes-tiny", "--pairs", tmp_path],
        ["eval", "--pairs", tmp_path / "none"],
    ):
        found = cli(*arguments)
        assert found.code == 1 and "--pairs" in found.err or "pairs from" in found.err
