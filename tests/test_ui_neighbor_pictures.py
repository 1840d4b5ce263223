"""Pictures of neighbours: from the run's shards, drawn again from prompt and seed, or none."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from unprompt.index.bundle.bundle import INDEX
from unprompt.index.images.pictures import open_picture, to_array
from unprompt.index.images.shard_names import tar_path
from unprompt.index.images.shard_pictures import iterate_images
from unprompt.index.store.manifest import ROWS_FILE
from unprompt.ui.page.neighbor_pictures import NeighborPictures


@pytest.fixture
def rows(tiny_run: Path) -> list[dict[str, Any]]:
    return pl.read_parquet(tiny_run / "bundle" / INDEX / ROWS_FILE).to_dicts()


def distance(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of two pictures' pixels at the same size."""
    small = [to_array(image.resize((32, 32))).astype(float) for image in (one, other)]
    return float(np.abs(small[0] - small[1]).mean())


def test_a_run_shows_the_picture_that_was_embedded(
    tiny_run: Path, rows: list[dict[str, Any]]
) -> None:
    stored = {
        key: content
        for shard in range(4)
        for key, content in iterate_images(tiny_run / "images", shard)
    }
    pictures = NeighborPictures(tiny_run / "bundle")
    for row in rows[::40]:
        shown = pictures.picture(row)
        assert shown is not None
        wanted = to_array(open_picture(stored[row["key"]], row["key"]))
        np.testing.assert_array_equal(to_array(shown), wanted)


def test_a_bundle_alone_draws_the_same_scene_again(
    tiny_run: Path, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    shutil.copytree(tiny_run / "bundle", tmp_path / "bundle")
    stored, drawn = NeighborPictures(tiny_run / "bundle"), NeighborPictures(tmp_path / "bundle")
    for row in rows[:4]:
        first, again = stored.picture(row), drawn.picture(row)
        assert first is not None and again is not None
        assert again.size == (256, 256)
        others = [distance(first, stored.picture(other) or again) for other in rows[4:40]]
        assert distance(first, again) < min(others)


def test_pictures_of_another_run_are_not_shown_for_this_one(
    tiny_run: Path, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    shutil.copytree(tiny_run / "images", tmp_path / "images")
    pictures = NeighborPictures(tmp_path / "bundle")
    row = rows[0] | {"generator": "diffusers"}
    assert pictures.picture(row) is not None
    assert pictures.picture(row | {"image_id": row["image_id"] ^ 1}) is None


@pytest.mark.parametrize(
    "change",
    [
        {"generator": "diffusers"},
        {"generator": "scenes-0"},
        {"prompt": "an essay about nothing that can be drawn"},
    ],
)
def test_what_cannot_be_seen_again_has_no_picture(
    rows: list[dict[str, Any]], tmp_path: Path, change: dict[str, str]
) -> None:
    assert NeighborPictures(tmp_path / "bundle").picture(rows[0] | change) is None


@pytest.mark.parametrize("key", ["", "../../etc", "999990000", "000009999"])
def test_a_key_of_no_stored_picture_is_drawn_instead(
    tiny_run: Path, rows: list[dict[str, Any]], key: str
) -> None:
    shown = NeighborPictures(tiny_run / "bundle").picture(rows[0] | {"key": key})
    assert shown is not None and shown.size == (256, 256)


def test_a_damaged_shard_costs_no_answer(
    tiny_run: Path, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    shutil.copytree(tiny_run / "images", tmp_path / "images")
    tar_path(tmp_path / "images", 0).write_bytes(b"not a tar")
    shown = NeighborPictures(tmp_path / "bundle").picture(rows[0])
    assert shown is not None and shown.size == (256, 256)
