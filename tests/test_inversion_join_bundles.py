"""`unprompt join` on two worlds of colors, whose right answers are known without a model.

The world `warm` knows reds and answers them with axis 0, `cold` knows blues and answers with axis
1. Both are wrong by a right angle about all other pictures.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from unprompt.index.base.durable import write_json
from unprompt.index.base.errors import ConfigError, DamagedFileError
from unprompt.index.bundle.bundle import read_bundle, seal_bundle
from unprompt.index.encoders.preprocess import Preprocess
from unprompt.index.pairs.labelled_pairs import open_labelled_pairs
from unprompt.index.pairs.pair_tables import labelled_frame
from unprompt.inversion.estimate.blend import Blend, save_blend
from unprompt.inversion.estimate.confidence import Confidence, save_confidence
from unprompt.inversion.estimate.gate import SIGNALS
from unprompt.inversion.estimate.head import EncoderHead, HeadDescription
from unprompt.inversion.estimate.knn import KnnConfig
from unprompt.inversion.fit.joining.labelled_pictures import gather_pictures, spread_choice
from unprompt.inversion.fit.joining.picture_keys import encode_rows
from unprompt.inversion.fit.joining.validation import (
    Validation,
    read_validation,
    write_validation,
)
from unprompt.inversion.inverter import Inverter
from unprompt.ui.jobs.join_bundles import read_named

AXES = np.eye(3, dtype=np.float32)
COLORS = {"warm": (250, 0, 0), "cold": (0, 0, 250), "noise": (0, 250, 0), "map": (0, 240, 90)}
TRUTHS = {"warm": AXES[0], "cold": AXES[1], "noise": AXES[2], "map": AXES[2]}
EACH = 12  # pictures of a color


class Colours:
    """The color of a picture as a unit vector; counts the pictures that it has seen."""

    space, dim, batch_size, streams = "colours", 3, 8, 1
    preprocess = Preprocess(4, (0.0,) * 3, (1.0,) * 3)
    seen = 0

    def encode(self, images: Sequence[Image.Image]) -> np.ndarray:
        return self.encode_pixels(self.preprocess(images))

    def encode_pixels(self, pixels: np.ndarray) -> np.ndarray:
        self.seen += len(pixels)
        means = pixels.astype(np.float32).mean(axis=(1, 2))
        return np.asarray(means / np.linalg.norm(means, axis=1, keepdims=True))


class Words:
    """The first word of a prompt is its color, and decides its vector."""

    space, dim = "words", 3

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        return np.stack([TRUTHS[text.split()[0]] for text in texts])


def draw(folder: Path, color: str, count: int = EACH) -> Path:
    """Pictures near a color, each with a prompt of its own."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(len(color))
    for number in range(count):
        shade = np.clip(np.array(COLORS[color]) + random.integers(0, 40, 3), 0, 255)
        Image.new("RGB", (6, 6), tuple(map(int, shade))).save(folder / f"{number:02d}.png")
        (folder / f"{number:02d}.txt").write_text(f"{color} thing {number}")
    return folder


def draw_kinds(folder: Path) -> Path:
    """A table of pictures of two kinds."""
    rows = []
    for kind in ("noise", "map"):
        for path in sorted(draw(folder / kind, kind).glob("*.png")):
            rows.append({"path": f"{kind}/{path.name}", "prompt": f"{kind} {path.stem}"})
            rows[-1]["kind"] = kind
    table = folder / "kinds.jsonl"
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return table


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> Colours:
    made = Colours()
    monkeypatch.setattr("unprompt.inversion.estimate.member.load_encoder", lambda *_: made)
    monkeypatch.setattr("unprompt.ui.jobs.join_bundles.load_truth_encoder", lambda *_: Words())
    return made


@pytest.fixture
def bundles(tmp_path: Path, encoder: Colours, content: Any, make_index: Any) -> dict[str, Path]:
    """A bundle per world; `cold` has the targets turned by one axis, so that blue is axis 1."""
    found = {}
    for number, name in enumerate(("warm", "cold")):
        folder = tmp_path / name
        write_json(folder / "encoder" / "encoder.json", {"space": "colours", "dim": 3})
        make_index(folder / "index", content(AXES, np.roll(AXES, number, axis=0)))
        EncoderHead(HeadDescription("encoder", "colours", "words", None, 3, 1.0)).save(
            folder / "head"
        )
        save_blend(folder / "blend.json", Blend(1.0, KnnConfig(k=1), 0.9, 3))
        none = (0.0,) * len(SIGNALS)
        sure = Confidence(none, (1.0,) * len(none), none * 2, 1.0, (0.0, 1.0), 0.0, 9)
        save_confidence(folder / "confidence.json", sure)
        (folder / "card.md").write_text(f"# {name} alone\n\n- knows one color\n")
        seal_bundle(folder, name, "colours", "words")
        found[name] = folder
    return found


Join = Callable[..., Any]


@pytest.fixture
def join(tmp_path: Path, bundles: dict[str, Path], cli: Any) -> Join:
    """Run the command on both worlds and their pictures; further arguments follow."""
    pairs = {name: draw(tmp_path / "pairs" / name, name) for name in bundles}
    named = [
        part
        for name in bundles
        for part in ("--world", f"{name}={bundles[name]}", "--pairs", f"{name}={pairs[name]}")
    ]
    return lambda *more: cli("join", "-o", tmp_path / "both", *named, *more)


def test_two_bundles_and_kinds_become_worlds(join: Join, tmp_path: Path) -> None:
    run = join("--kinds", draw_kinds(tmp_path / "kinds"), "--json")
    assert run.code == 0, run.err
    report = json.loads(run.out)
    classes = {one["name"]: one for one in report["router"]["classes"]}
    assert list(classes) == ["warm", "cold", "noise", "map"]
    assert all(one["pictures"] == EACH for one in classes.values())
    assert all(classes[name]["routed"] == 1.0 for name in ("warm", "cold"))
    assert classes["warm"]["cosine"] == pytest.approx(1.0) and not classes["warm"]["outside"]
    assert classes["noise"]["outside"] == 1.0, "no world expects to beat its mean of 1 / sqrt(3)"
    assert report["groups"] == {} and report["unreadable"] == 0 and report["validated"] == {}
    inverter = Inverter.load(tmp_path / "both")
    red, blue, green = inverter.invert(
        [Image.new("RGB", (6, 6), COLORS[name]) for name in ("warm", "cold", "noise")]
    )
    assert (red.world, blue.world) == ("warm", "cold") and not (red.outside or blue.outside)
    np.testing.assert_allclose(red.vector, AXES[0], atol=1e-6)
    np.testing.assert_allclose(blue.vector, AXES[1], atol=1e-6)
    assert green.outside and (red.expected_cosine or 0.0) > 0.9
    assert not (tmp_path / "both.keys").exists()
    card = (tmp_path / "both" / "card.md").read_text()
    assert card == "# warm\n\n- knows one color\n\n# cold\n\n- knows one color\n"


def test_the_tables_are_printed(join: Join, tmp_path: Path) -> None:
    run = join("--limit", "10", "--cache", tmp_path / "keys")
    assert run.code == 0, run.err
    assert "| warm | 10 | 100.0% | 0.0% | 1.0000 |" in run.out
    assert "the router takes the best world" in run.out
    assert list((tmp_path / "keys" / "colours").glob("*.npy")), "kept"


def test_answers_of_validation_stand_in_place_of_those_of_the_world(
    join: Join, bundles: dict[str, Path], tmp_path: Path
) -> None:
    """cold is right about its pictures, since it was trained on them; validation knows better.

    The pictures of warm have the same names, and keep the answers of cold.
    """
    names = tuple(f"{number:02d}.png" for number in (0, 2, 4, 5, 6, 8, 9, 10, 11))
    answers = np.repeat(np.array([[0.0, 0.6, 0.8]], np.float32), len(names), axis=0)
    signals = np.zeros((len(names), len(SIGNALS)))
    write_validation(bundles["cold"], Validation(names, answers, signals))
    report = json.loads(join("--json").out)
    warm, cold = report["router"]["classes"]
    assert (cold["pictures"], warm["pictures"]) == (len(names), EACH)
    assert cold["cosine"] == pytest.approx(0.6) and warm["cosine"] == pytest.approx(1.0)
    assert cold["promised"] == pytest.approx(0.4, abs=0.05), "the confidence says 1"
    assert report["router"]["worlds"][1]["foreign"]["bias"] == pytest.approx(0.0, abs=1e-6)
    assert report["validated"] == {"cold": len(names)}
    assert not list((tmp_path / "both").rglob("validation.npz"))
    seal_bundle(bundles["cold"], "cold", "colours", "words")
    assert "validation.npz" not in read_bundle(bundles["cold"]).files


def test_validation_of_other_pictures_or_damaged(
    join: Join, bundles: dict[str, Path], tmp_path: Path
) -> None:
    signals = np.zeros((1, len(SIGNALS)))
    write_validation(bundles["warm"], Validation(("other.png",), AXES[:1], signals))
    run = join()
    assert run.code == 1 and "names no picture of" in run.err
    write_validation(bundles["warm"], Validation(("00.png",), AXES[:1, :2], signals))
    with pytest.raises(DamagedFileError, match=r"`answers` must be \(1, 3\)"):
        read_validation(bundles["warm"], 3)
    (bundles["warm"] / "validation.npz").write_bytes(b"broken")
    with pytest.raises(DamagedFileError, match="broken"):
        read_validation(bundles["warm"], 3)
    assert read_validation(bundles["cold"], 3) is None


def test_what_cannot_be_joined(
    join: Join, bundles: dict[str, Path], tmp_path: Path, cli: Any
) -> None:
    out, warm = tmp_path / "both", f"warm={bundles['warm']}"
    run = cli("join", "-o", out, "--world", warm, "--pairs", f"cold={tmp_path}")
    assert run.code == 1 and "every world needs pairs" in run.err
    out.mkdir()
    (out / "file").write_text("")
    run = join()
    assert run.code == 1 and "is not empty" in run.err
    for wrong in (["warm"], ["=x"], ["warm="], ["../up=x"]):
        with pytest.raises(ConfigError, match="needs NAME=FOLDER"):
            read_named(wrong, "--world")
    with pytest.raises(ConfigError, match="warm twice"):
        read_named(["warm=a", "warm=b"], "--world")


def table(counts: dict[str | None, int], prompts: int = 1000) -> pl.DataFrame:
    """Rows by source; each source repeats so many prompts."""
    sources = [source for source, count in counts.items() for _ in range(count)]
    names = [f"{number:03d}" for number in range(len(sources))]
    texts = [[f"{source} {number % prompts}"] for number, source in enumerate(sources)]
    return labelled_frame({"name": names, "path": names, "prompts": texts, "source": sources})


def test_a_limit_is_spread_over_sources_and_prompts() -> None:
    rows = table({"large": 50, "middle": 20, "small": 3})
    chosen = spread_choice(rows, 23)
    counts = dict(chosen["source"].value_counts().iter_rows())
    assert counts == {"large": 10, "middle": 10, "small": 3}
    assert chosen["name"].to_list() == sorted(chosen["name"].to_list())
    again = spread_choice(rows.reverse(), 23)
    assert set(again["name"]) == set(chosen["name"]), "the order of the rows decides nothing"
    assert spread_choice(rows, 100).equals(rows)
    repeated = spread_choice(table({"one": 40}, prompts=10), 10)
    assert len({tuple(own) for own in repeated["prompts"].to_list()}) == 10


def test_groups_are_sources_where_there_are_enough(tmp_path: Path) -> None:
    """Four sources: the groups of the first world. Two of the second: there each prompt is one."""
    for name, sources in (("many", 4), ("few", 2)):
        folder = draw(tmp_path / name, "warm", 8)
        rows = [
            {"path": f"{number:02d}.png", "prompt": f"warm {number}", "source": number % sources}
            for number in range(8)
        ]
        (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = gather_pictures({name: tmp_path / name / "pairs.jsonl" for name in ("many", "few")})
    assert list(found.group) == [0, 1, 2, 3] * 2 + list(range(4, 12))
    assert list(found.world) == [0] * 8 + [1] * 8 and found.kinds == ()
    drawn = [draw_kinds(tmp_path / "kinds"), draw(tmp_path / "photos", "cold", 5)]
    kinds = gather_pictures({"few": tmp_path / "few" / "pairs.jsonl"}, drawn)
    assert kinds.kinds == ("noise", "map", "photos")
    assert [own.height for own in kinds.by_class] == [8, 12, 12, 5]


def test_keys_are_cached_and_unreadable_pictures_are_nan(tmp_path: Path, encoder: Colours) -> None:
    folder = draw(tmp_path / "pairs", "warm", 9)
    (folder / "03.png").write_bytes(b"no picture")
    rows = open_labelled_pairs(folder).whole
    keys = encode_rows(encoder, rows, tmp_path / "keys")
    assert keys.shape == (9, 3) and list(np.isnan(keys[:, 0])) == [n == 3 for n in range(9)]
    assert encoder.seen == 8
    np.testing.assert_array_equal(encode_rows(encoder, rows, tmp_path / "keys"), keys)
    assert encoder.seen == 8
    (path,) = (tmp_path / "keys").rglob("*.npy")
    path.write_bytes(path.read_bytes()[:50])
    np.testing.assert_array_equal(encode_rows(encoder, rows, tmp_path / "keys"), keys)
    assert encoder.seen == 16


def test_an_unreadable_picture_is_left_out(join: Join, tmp_path: Path) -> None:
    (tmp_path / "pairs" / "warm" / "01.png").write_bytes(b"no picture")
    report = json.loads(join("--json").out)
    assert report["unreadable"] == 1 and report["router"]["classes"][0]["pictures"] == EACH - 1
