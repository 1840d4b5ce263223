"""`unprompt train pairs` end to end: pictures with captions of two collections, a small bank."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image, ImageDraw

from unprompt.index.base.errors import ConfigError
from unprompt.index.bundle.bundle import CARD, read_bundle
from unprompt.inversion.inverter import Inverter
from unprompt.ui.jobs.train.pairs import PairFolders, load_pairs_config, train_pairs

COLORS = {"red": (200, 30, 30), "green": (30, 160, 60), "blue": (40, 60, 200), "gray": (120,) * 3}
SHAPES = ("circle", "square", "stripe")
SMALL = (
    "smallest_source=6", "near=0.99", "tuned_rows=12",
    "kernel.landmarks=20", "kernel.components=16",
)  # fmt: skip


def draw(color: str, shape: str) -> Image.Image:
    image = Image.new("RGB", (96, 96), (235, 235, 225))
    pen = ImageDraw.Draw(image)
    fill = COLORS[color]
    if shape == "circle":
        pen.ellipse((20, 20, 76, 76), fill=fill)
    elif shape == "square":
        pen.rectangle((20, 20, 76, 76), fill=fill)
    else:
        pen.rectangle((0, 40, 96, 56), fill=fill)
    return image


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    rows = []
    for source in ("first", "second"):
        for color in COLORS:
            for shape in SHAPES:
                name = f"{source}-{color}-{shape}.png"
                draw(color, shape).save(folder / name)
                rows.append((name, f"a {color} {shape}, {source} style", source))
    table = pl.DataFrame(rows, schema=["path", "prompt", "source"], orient="row")
    table.write_csv(folder / "pairs.csv")
    return folder / "pairs.csv"


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from unprompt.ui.jobs.index_prompts import PromptIndexSettings, index_prompt_files
    from unprompt.ui.jobs.make.make import PromptSource

    folder = tmp_path_factory.mktemp("bank")
    texts = [f"a {c} {s}, flat drawing" for c in (*COLORS, "black", "pink") for s in SHAPES]
    (folder / "prompts.txt").write_text("\n".join(texts))
    source = PromptSource([folder / "prompts.txt"], None)
    settings = PromptIndexSettings(factory="SQ8", phrases=50, least=1)
    index_prompt_files(source, folder / "bank", settings, as_json=True)
    return folder / "bank"


@pytest.fixture(scope="module")
def world(pairs: Path, bank: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world") / "shapes"
    config = load_pairs_config(None, SMALL)
    train_pairs(PairFolders([pairs], [], bank), folder, config, None, True)
    return folder


def test_the_bundle_answers_with_prompts_of_the_bank(world: Path) -> None:
    inverter = Inverter.load(world)
    answer = inverter.invert(draw("red", "circle"))
    assert answer.vector.shape == (384,) and np.linalg.norm(answer.vector) == pytest.approx(1.0)
    assert answer.candidates[0].prompt.endswith("flat drawing")
    assert answer.expected_cosine is not None
    assert [member.name for member in inverter.worlds[0].members] == ["main", "efficientnet-lite0"]


def test_the_card_names_the_sources_and_holds_no_prompt(world: Path) -> None:
    card = (world / CARD).read_text()
    assert "| first | 12 |" in card and "| second | 12 |" in card
    assert "a red circle" not in card
    assert read_bundle(world, verify=True).name == "shapes"


def test_held_out_answers_lie_beside_the_bundle(world: Path) -> None:
    with np.load(world / "validation.npz") as saved:
        assert saved["answers"].shape == (24, 384) and len(saved["path_key"]) == 24
        assert np.isfinite(saved["signals"]).all()


def test_the_same_pairs_give_the_same_weights(
    world: Path, pairs: Path, bank: Path, tmp_path: Path, capsys: Any
) -> None:
    config = load_pairs_config(None, SMALL)
    train_pairs(PairFolders([pairs], [], bank), tmp_path / "again", config, None, True)
    told = json.loads(capsys.readouterr().out)
    assert {source["name"] for source in told["sources"]} == {"first", "second"}
    for part in ("head/head.safetensors", "blend.json", "confidence.json"):
        assert (tmp_path / "again" / part).read_bytes() == (world / part).read_bytes(), part


def test_without_a_bank_it_says_how_to_make_one(pairs: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unprompt index prompts"):
        folders = PairFolders([pairs], [], tmp_path / "none")
        train_pairs(folders, tmp_path / "out", load_pairs_config(None), None, True)


def test_a_finished_bundle_is_not_overwritten(world: Path, pairs: Path, bank: Path) -> None:
    with pytest.raises(ConfigError, match="choose another --output"):
        train_pairs(PairFolders([pairs], [], bank), world, load_pairs_config(None), None, True)


def test_near_prompts_everywhere_leave_nothing_to_train_on(
    pairs: Path, bank: Path, tmp_path: Path
) -> None:
    config = load_pairs_config(None, ["smallest_source=6"])  # the prompts of both sources are near
    with pytest.raises(ConfigError, match="0 pairs remain to train on"):
        train_pairs(PairFolders([pairs], [], bank), tmp_path / "out", config, None, True)


def test_sources_that_are_too_small_to_be_left_out(pairs: Path, bank: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no source has 40 pictures"):
        folders = PairFolders([pairs], [], bank)
        train_pairs(folders, tmp_path / "out", load_pairs_config(None), None, True)


def test_the_preset_and_overrides() -> None:
    assert load_pairs_config("real").weights.balance == 0.3
    assert load_pairs_config("real", ["kernel.gamma=2"]).kernel.gamma == 2
    with pytest.raises(ConfigError, match="preset real or a YAML file"):
        load_pairs_config("none-such")
