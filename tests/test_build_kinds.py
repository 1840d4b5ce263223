"""Drawn pictures of other kinds: deterministic, with true captions, in shards that others read."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from unprompt.build.kinds.blank import draw_blank
from unprompt.build.kinds.canvas import COLORS, wrap
from unprompt.build.kinds.codes import draw_codes
from unprompt.build.kinds.config import KindsConfig
from unprompt.build.kinds.fonts import load_font
from unprompt.build.kinds.kinds import KINDS, draw_kind
from unprompt.build.kinds.sketches import draw_sketch
from unprompt.build.kinds.things import THINGS
from unprompt.build.kinds.words import word_lists
from unprompt.build.kinds.write import write_kinds
from unprompt.index.base.errors import ConfigError
from unprompt.index.images.pictures import open_picture
from unprompt.index.pairs.labelled_pairs import open_labelled_pairs, read_labelled_picture


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_repeat_by_seed_and_have_three_wordings(kind: str) -> None:
    for number in range(10):
        drawn, again = draw_kind(kind, number, 3), draw_kind(kind, number, 3)
        assert drawn.captions == again.captions
        np.testing.assert_array_equal(np.asarray(drawn.picture), np.asarray(again.picture))
        assert len(set(drawn.captions)) == 3
        for caption in drawn.captions:
            assert 1 <= len(caption.split()) <= 12 and caption.strip() == caption
        assert drawn.picture.mode == "RGB"
        assert 192 <= min(drawn.picture.size) and max(drawn.picture.size) <= 600
    first, second = (np.asarray(draw_kind(kind, 4, seed).picture).tobytes() for seed in (0, 1))
    assert first != second


def test_blank_captions_name_the_color() -> None:
    plain = 0
    for seed in range(60):
        drawn = draw_blank(np.random.default_rng(seed))
        pixels = np.asarray(drawn.picture).reshape(-1, 3).astype(int)
        width, height = drawn.picture.size
        middle = np.array(drawn.picture.getpixel((width // 2, height // 2)))
        named = [name for name in COLORS if name in drawn.captions[0]]
        nearest = min(COLORS, key=lambda name: np.abs(middle - COLORS[name]).sum())
        assert nearest in named, drawn.captions
        plain += bool((pixels == pixels[0]).all())
    assert 10 < plain < 40, "blank and nearly blank"


def test_a_sheet_of_shapes_has_as_many_as_it_says() -> None:
    from scipy import ndimage

    counted = 0
    numbers = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6}
    for seed in range(80):
        drawn = draw_sketch(np.random.default_rng(seed))
        first = drawn.captions[1].split()[0]
        if first not in numbers:
            continue
        gray = np.asarray(drawn.picture.convert("L")).astype(int)
        _, count = ndimage.label(np.abs(gray - gray[0, 0]) > 12)
        assert count == numbers[first], drawn.captions
        counted += 1
    assert counted > 5


def test_strokes_lie_on_the_paper() -> None:
    for name, strokes in THINGS.items():
        for stroke in strokes():
            points = np.asarray(stroke)
            assert points.shape[1] == 2 and len(points) > 1, name
            assert points.min() >= 0.0 and points.max() <= 1.0, name


def test_a_maze_joins_its_two_openings() -> None:
    from scipy import ndimage

    found = 0
    for seed in range(30):
        drawn = draw_codes(np.random.default_rng(seed))
        if drawn.captions[0] != "a maze":
            continue
        free = np.asarray(drawn.picture.convert("L")) > 128
        assert ndimage.label(free)[1] == 1
        found += 1
    assert found


def test_words_are_plain_and_fonts_measure() -> None:
    assert all(len(words) > 10 for name, words in word_lists().items() if name != "links")
    width = load_font("sans", 12).getlength("the first line")
    assert wrap("the first line and more", width) == ["the first line", "and more"]


def test_shards_are_labelled_pairs(tmp_path: Path) -> None:
    config = KindsConfig(count=3, seed=5, kinds=("blank", "chart"), shard_size=4)
    table = write_kinds(tmp_path / "kinds", config)
    assert table["kind"].to_list() == ["blank", "chart"] * 3
    found = open_labelled_pairs(tmp_path / "kinds")
    assert found.faulty.height == 0
    assert found.whole["kind"].to_list() == ["blank", "chart"] * 3
    assert found.whole["prompts"].to_list() == table["prompt"].to_list()
    row = found.whole.row(3, named=True)
    picture = open_picture(read_labelled_picture(row), row["name"])
    expected = draw_kind("chart", 1, 5)
    np.testing.assert_array_equal(np.asarray(picture), np.asarray(expected.picture))
    assert row["prompts"] == list(expected.captions)


def test_a_killed_run_goes_on_and_other_settings_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "kinds"
    config = KindsConfig(count=2, kinds=("blank",), shard_size=1)
    write_kinds(folder, config)
    first, second = ((folder / f"{shard:05d}.tar") for shard in (0, 1))
    content, time = second.read_bytes(), first.stat().st_mtime_ns
    second.unlink()
    (tmp_path / "kinds.parquet").unlink()
    write_kinds(folder, config)
    assert second.read_bytes() == content and first.stat().st_mtime_ns == time
    assert pl.read_parquet(tmp_path / "kinds.parquet").height == 2
    other = KindsConfig(count=1, seed=1, kinds=("blank",))
    with pytest.raises(ConfigError, match="--overwrite"):
        write_kinds(folder, other)
    write_kinds(folder, other, overwrite=True)
    assert open_labelled_pairs(folder).whole.height == 1


def test_unknown_kinds_are_refused() -> None:
    with pytest.raises(ConfigError, match="portrait.*known are noise"):
        KindsConfig(kinds=("portrait",))
    with pytest.raises(ConfigError, match="at least 1"):
        KindsConfig(count=0)


def test_the_command(tmp_path: Path, cli: Any) -> None:
    out = tmp_path / "kinds"
    found = cli("make", "kinds", "-o", out, "--count", 2, "--kind", "noise", "--kind", "map")
    assert found.code == 0, found.err
    assert "4 pictures" in found.out and "map: 2" in found.out
    assert open_labelled_pairs(out).whole.height == 4
