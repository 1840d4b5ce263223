"""The inverter on three colours, where every number can be worked out; and on the tiny bundle."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from unprompt.index.base.errors import DamagedFileError, SpaceMismatchError
from unprompt.index.bundle.bundle import seal_again
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.inversion.batch.inputs import find_pictures
from unprompt.inversion.batch.parts import PART, InvertWork, ResultParts
from unprompt.inversion.batch.run import invert_pictures, printable
from unprompt.inversion.estimate.blend import Blend
from unprompt.inversion.estimate.head import HeadDescription, LinearHead
from unprompt.inversion.estimate.knn import KnnConfig
from unprompt.inversion.estimate.member import Member
from unprompt.inversion.estimate.world import World
from unprompt.inversion.inverter import BATCH, Inverter
from unprompt.inversion.query import Query

AXES = np.eye(3, dtype=np.float32)
RED, BLUE = Image.new("RGB", (4, 4), (200, 0, 0)), Image.new("RGB", (9, 2), (0, 0, 255))


@pytest.fixture
def colours(tmp_path: Path, content: Any, make_index: Any, colour_encoder: Any) -> Inverter:
    """Red, green and blue have the axes as targets; the head answers with the third, always."""
    make_index(tmp_path / "index", content(AXES, AXES))
    description = HeadDescription("ridge", "colours", "words", 1.0, 3, 1.0)
    head = LinearHead(np.zeros((3, 3), np.float32), AXES[2], description)
    blend = Blend(0.75, KnnConfig(k=3, temperature=0.5), 0.9, 3)
    member = Member("main", colour_encoder, PromptIndex.load(tmp_path / "index"), head)
    return Inverter([World(None, (member,), blend)])


def test_red_by_hand(colours: Inverter) -> None:
    (answer,) = colours.invert([RED])
    weights = np.exp([0.0, -2.0, -2.0]) / np.exp([0.0, -2.0, -2.0]).sum()
    knn = weights / np.linalg.norm(weights)
    mixed = 0.75 * knn + 0.25 * AXES[2]
    blend = mixed / np.linalg.norm(mixed)
    np.testing.assert_allclose(answer.knn, knn, atol=1e-5)
    np.testing.assert_allclose(answer.head, AXES[2], atol=1e-6)
    np.testing.assert_allclose(answer.vector, blend, atol=1e-5)
    assert (answer.prompt, answer.alpha) == ("prompt 0", 0.75)
    assert [c.prompt for c in answer.candidates] == ["prompt 0", "prompt 2", "prompt 1"]
    assert [c.score for c in answer.candidates] == pytest.approx(list(blend[[0, 2, 1]]), abs=1e-5)
    assert [c.row_id for c in answer.candidates] == [5, 25, 15]
    best = answer.neighbors[0]
    assert (best.row, best.similarity) == (0, pytest.approx(1.0))
    assert best.weight == pytest.approx(weights[0], abs=1e-5)
    assert sum(c.weight for c in answer.neighbors) == pytest.approx(1.0)


def test_a_picture_of_one_color_is_said_to_be_blank(colours: Inverter) -> None:
    striped = Image.new("RGB", (64, 64), (200, 0, 0))
    striped.paste((0, 0, 255), (0, 0, 64, 20))
    plain, other = colours.invert([RED, striped], Query(compose=False))
    assert (plain.blank, other.blank) == (True, False)
    assert plain.prompt == "prompt 0" and plain.as_json()["blank"] is True


def test_order_count_and_no_pictures(colours: Inverter) -> None:
    answers = colours.invert([BLUE, RED, BLUE], Query(candidates=2))
    assert [answer.prompt for answer in answers] == ["prompt 2", "prompt 0", "prompt 2"]
    assert all(len(answer.candidates) == len(answer.neighbors) == 2 for answer in answers)
    assert colours.invert([]) == []


def test_an_encoder_of_another_space_is_refused(colours: Inverter, colour_encoder: Any) -> None:
    colour_encoder.space = "shapes"
    with pytest.raises(SpaceMismatchError, match="shapes.*colours"):
        Member("main", colour_encoder, colours.index, colours.head)


@pytest.mark.parametrize("batch_size", [1, 2, 32])
def test_a_bad_picture_in_the_middle_is_recorded(
    colours: Inverter, tmp_path: Path, batch_size: int
) -> None:
    RED.save(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("no picture")
    BLUE.save(tmp_path / "c.png")
    found = list(invert_pictures(colours, find_pictures([str(tmp_path)]), Query(1), batch_size))
    assert [Path(record.image).name for record in found] == ["a.png", "b.png", "c.png"]
    assert [record.status for record in found] == ["success", "failed", "success"]
    assert found[1].inversion is None and "b.png" in (found[1].error_message or "")
    assert [r.inversion.prompt for r in found if r.inversion] == ["prompt 0", "prompt 2"]


def test_only_bad_pictures(colours: Inverter, tmp_path: Path) -> None:
    (tmp_path / "b.png").touch()
    (record,) = invert_pictures(colours, find_pictures([str(tmp_path)]))
    assert record.status == "failed" and "empty" in (record.error_message or "")


def test_names_that_are_no_text(colours: Inverter, tmp_path: Path) -> None:
    assert printable("a/fox ü.png") == "a/fox ü.png"
    path = Path(str(tmp_path) + "/" + b"fox\xff.png".decode("utf-8", "surrogateescape"))
    RED.save(path)
    (record,) = invert_pictures(colours, find_pictures([str(path)]))
    assert record.image.endswith("/fox\\xff.png") and record.status == "success"
    record.image.encode("utf-8")


def test_tiny_bundle_finds_its_own_renders(tiny_run: Path, tiny_pictures: list[Any]) -> None:
    """A train picture is its own nearest neighbour; batch and single queries agree."""
    inverter = Inverter.load(tiny_run / "bundle")
    rows = inverter.index.rows
    known = {row["key"]: row for row in rows.iter_rows(named=True)}
    together = inverter.invert(tiny_pictures)
    checked = 0
    for place, answer in enumerate(together):
        assert np.linalg.norm(answer.vector) == pytest.approx(1.0, abs=1e-4)
        scores = [candidate.score for candidate in answer.candidates]
        assert scores == sorted(scores, reverse=True)
        assert not answer.outside and 0.0 < (answer.expected_cosine or 0.0) < 1.0
        row = known.get(f"{place:09d}")
        if row is not None:
            nearest = max(answer.neighbors, key=lambda candidate: candidate.similarity)
            assert (nearest.prompt, nearest.row_id) == (row["prompt"], row["row_id"])
            checked += 1
    assert checked >= 10
    alone = inverter.invert(tiny_pictures[:1])[0]
    np.testing.assert_allclose(alone.vector, together[0].vector, atol=1e-3)


def test_a_batch_in_parts_ends_as_if_it_had_never_stopped(
    tiny_run: Path, tiny_pictures: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the last bit: a tower's last bits depend on its batch, so parts are whole batches."""
    assert PART % BATCH == 0
    monkeypatch.setattr("unprompt.inversion.batch.parts.PART", BATCH)
    for place, picture in enumerate(tiny_pictures):
        picture.save(tmp_path / f"{place:02d}.png")
    pictures = list(find_pictures([str(tmp_path)]))
    query = Query(3, compose=False)
    whole = invert_pictures(Inverter.load(tiny_run / "bundle"), pictures, query)
    wanted = [record.as_row() for record in whole]
    work = InvertWork(tiny_run / "bundle", query)
    batch = ResultParts(tmp_path / "out.csv", work.identity(), pictures)
    invert = work.load(None)
    assert len(batch.parts) > 1 and len(wanted) > BATCH
    for number in reversed(batch.parts):
        assert number in batch.unfinished()
        assert invert(batch.parts[number]) == [True] * len(batch.parts[number].pictures)
        assert number not in batch.unfinished()
    assert list(batch.rows()) == wanted


def test_tiny_bundle_of_mixed_parts(tiny_run: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(tiny_run / "bundle", bundle)
    manifest = bundle / "index" / "manifest.json"
    inverter = Inverter.load(bundle)
    space = inverter.encoder.space
    described = json.loads(manifest.read_text().replace(space, "f" * len(space)))
    described.pop("digest")
    manifest.write_text(json.dumps(described))
    seal_again(bundle)
    with pytest.raises(SpaceMismatchError, match=f"{space}.*ffff.*|ffff.*{space}"):
        Inverter.load(bundle)
    with pytest.raises(DamagedFileError, match="not a finished bundle"):
        Inverter.load(tmp_path)
