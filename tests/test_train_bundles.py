"""`unprompt train head`, then `unprompt build`: BLIP-2, timm towers and Q-Former heads answer."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file
from tiny_towers import save_blip2, save_clip

from unprompt.build.corpus.corpus import PROMPTS_FILE, read_corpus
from unprompt.index.base.errors import ConfigError, SpaceMismatchError
from unprompt.index.base.progress import Silent
from unprompt.index.base.settings import write_settings
from unprompt.index.base.stages import StageLedger
from unprompt.index.base.tables import PROMPTS, write_table
from unprompt.index.exported.export import trained_on
from unprompt.index.towers.trained_tower import read_result
from unprompt.inversion.inverter import Inverter
from unprompt.ui.jobs.build import build_run
from unprompt.ui.jobs.config import RunConfig, load_config
from unprompt.ui.jobs.evaluation.evaluate_run import evaluate_run
from unprompt.ui.jobs.run import make_run
from unprompt.ui.jobs.train.data import collect_data
from unprompt.ui.jobs.train.run import train_run

pytestmark = pytest.mark.slow

WITHOUT_TORCH = """
import sys
from PIL import Image
from unprompt.inversion.inverter import Inverter
inverter = Inverter.load({bundle!r})
answer, other = inverter.invert([Image.new("RGB", (50, 40), c) for c in ("red", "green")])
assert answer.vector.shape == (384,) and abs(answer.vector - other.vector).max() > 1e-4
assert not {{"torch", "transformers", "timm", "open_clip"}} & set(sys.modules)
"""


@pytest.fixture
def run(tiny_run: Path, tmp_path: Path) -> Path:
    """The tiny run with its corpus and pictures alone."""
    return copy_pictures(tiny_run, tmp_path / "mine")


def copy_pictures(tiny_run: Path, folder: Path) -> Path:
    (folder / "stages").mkdir(parents=True)
    for name in ("corpus", "images"):
        (folder / name).symlink_to(tiny_run / name)
        shutil.copy(tiny_run / "stages" / f"{name}.json", folder / "stages")
    return folder


def tower_of(family: str, folder: Path) -> dict[str, Any]:
    if family == "clip":
        return {"model": f"local-dir:{save_clip(folder / 'clip')}"}
    if family == "blip2":
        return {"model": f"blip2:{save_blip2(folder / 'blip2')}"}
    torch.manual_seed(0)
    path = folder / f"{family}.safetensors"
    import timm

    save_file(timm.create_model(family).state_dict(), path)
    return {"model": f"timm:{family}", "pretrained": str(path), "image_size": 64}


def config_of(
    folder: Path, train: Mapping[str, Any], encoder: Mapping[str, Any], **sections: Any
) -> RunConfig:
    """The preset scenes-tiny with a training, and no more tuning than a test needs."""
    preset = (files("unprompt.build.presets") / "scenes-tiny.yaml").read_text()
    content = yaml.safe_load(preset)
    content |= {
        "encoder": encoder,
        "index": {"recall_k": 10},
        "fallback": None,
        "fit": {
            "neighbors": [5],
            "temperatures": [0.1],
            "powers": [],
            "penalties": [],
            "phrases": 0,
        },
        "train": {
            "tuning": {"frozen": 0.4, "lora": 0.4, "rank": 2, "alpha": 4},
            "stages": [{"epochs": 1, "learning_rate": 0.003}],
            "batch_size": 32,
            "ema": None,
            **train,
        },
        **sections,
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(content))
    return load_config(str(path))


@pytest.mark.parametrize(
    ("family", "head", "runtime"),
    [
        ("blip2", "linear", "openvino"),
        ("clip", "qformer", "openvino"),
        ("blip2", "qformer", "torch"),
        ("test_vit", "mlp", "torch"),
    ],
)
def test_a_trained_tower_answers_queries(
    family: str, head: str, runtime: str, run: Path, tmp_path: Path
) -> None:
    config = config_of(
        tmp_path,
        {"tower": tower_of(family, tmp_path), "head": {"kind": head, "width": 32}},
        {"output": "prediction", "runtime": runtime},
    )
    bundle = build_run(run, config)
    measured = read_result(run / "train" / "export")
    found = json.loads((bundle / "head" / "config.json").read_text())
    assert found["kind"] == "encoder"
    assert found["validation_cosine"] == pytest.approx(measured.validation_cosine, abs=2e-3)
    digest = config.build.corpus.held_out_digest
    assert measured.trained_on == trained_on(bundle / "encoder") == digest
    if runtime == "openvino":
        asked = subprocess.run(
            [sys.executable, "-c", WITHOUT_TORCH.format(bundle=str(bundle))],
            capture_output=True, text=True, env={**os.environ}, timeout=180,
        )  # fmt: skip
        assert asked.returncode == 0, asked.stderr
        return
    red, green = (Image.new("RGB", (50, 40), colour) for colour in ("red", "green"))
    one, two = Inverter.load(bundle).invert([red, green])
    assert one.vector.shape == (384,) and abs(one.vector - two.vector).max() > 1e-4


def test_blip2_is_a_member_of_an_ensemble(
    run: Path, tiny_run: Path, tmp_path: Path, cli: Callable[..., Any]
) -> None:
    tower = tower_of("blip2", tmp_path)
    config = config_of(tmp_path, {"tower": tower}, {"output": "features"})
    build_run(run, config)
    assert evaluate_run(run, config).leaks["tower_of_another_corpus"] is False
    both = tmp_path / "both"
    quick = [part for name in ("powers", "penalties") for part in ("--set", f"{name}=[]")]
    asked = cli("tune", tiny_run, run, "-o", both, "--set", "neighbors=[5]", *quick)
    assert asked.code == 0, asked.err
    inverter = Inverter.load(both)
    assert [member.encoder.dim for member in inverter.members][1] == 16
    (answer,) = inverter.invert([Image.new("RGB", (50, 40), "red")])
    assert len(answer.vector) == 384
    refused = cli("train", "export", run, tmp_path / "folder")
    assert refused.code == 1 and "has no text tower" in refused.err


def test_text_keys_lie_in_the_space_of_the_trained_tower(run: Path, tmp_path: Path) -> None:
    config = config_of(
        tmp_path,
        {"tower": tower_of("clip", tmp_path), "head": {"kind": "linear"}},
        {"output": "embedding", "runtime": "torch"},
        embed={"keys": "text"},
    )
    inverter = Inverter.load(build_run(run, config))
    assert inverter.index.manifest.keys == "text"
    assert inverter.encoder.space == inverter.index.manifest.space


def test_features_with_a_qformer_are_refused_before_training(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a qformer head.*encoder.output: prediction"):
        config_of(tmp_path, {"head": {"kind": "qformer"}}, {"output": "features"})


class Notes(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, message: str) -> None:
        self.said.append(message)


@pytest.fixture
def other(tiny_run: Path, tmp_path: Path) -> Path:
    """A run of the same pictures that holds out nothing: all prompts are in its train split."""
    folder = copy_pictures(tiny_run, tmp_path / "other")
    corpus = folder / "corpus"
    corpus.unlink()
    shutil.copytree(tiny_run / "corpus", corpus)
    table = read_corpus(corpus).prompts.with_columns(pl.lit("train", pl.String).alias("split"))
    write_table(corpus / PROMPTS_FILE, table, PROMPTS)
    return folder


def test_other_runs_prompts_near_to_held_out_ones_are_left_out(
    run: Path, other: Path, tmp_path: Path
) -> None:
    stages = [{"epochs": 1, "run": str(other)}, {"epochs": 1, "run": str(run)}, {"epochs": 1}]
    config = config_of(
        tmp_path,
        {"tower": tower_of("clip", tmp_path), "head": {"kind": "linear"}, "stages": stages},
        {"output": "prediction"},
    )
    said = Notes()
    train_run(run, config, progress=said)
    own = read_corpus(run / "corpus").prompts
    held = own.filter(pl.col("split").is_in(["validation", "test"]))
    left_out = pl.read_parquet(run / "train" / "left_out.parquet")
    assert set(left_out["run"]) == {str(other)}
    assert set(held["prompt_id"]) <= set(left_out["prompt_id"])
    assert set(left_out["nearest_prompt_id"]) <= set(held["prompt_id"])
    itself = left_out.filter(pl.col("prompt_id") == pl.col("nearest_prompt_id"))
    assert itself.height == held.height and itself["cosine"].min() > 0.999
    assert left_out["cosine"].min() >= config.build.corpus.leak_threshold
    assert (
        sum(f"{left_out.height} of {own.height} train prompts left out" in n for n in said.said)
        == 1
    )
    assert config.train is not None
    lent, same, mine = collect_data(make_run(run, config), config.train.stages).stages
    assert same is mine and lent.images == other / "images"
    learned = set(lent.texts)
    assert learned and not learned & set(left_out["prompt"])
    assert learned | set(left_out["prompt"]) == set(own["prompt"])


def test_a_run_that_cannot_lend_pictures_is_named(run: Path, other: Path, tmp_path: Path) -> None:
    config = config_of(
        tmp_path, {"stages": [{"epochs": 1, "run": str(other)}]}, {"output": "prediction"}
    )
    assert config.train is not None
    report = other / "corpus" / "report.json"
    changed = json.loads(report.read_text()) | {"target_space": "of another encoder"}
    report.write_text(json.dumps(changed))
    with pytest.raises(SpaceMismatchError, match="of another encoder"):
        collect_data(make_run(run, config), config.train.stages)
    StageLedger(other).forget("images")
    with pytest.raises(ConfigError, match=f"names {other}, where the stage images is not done"):
        collect_data(make_run(run, config), config.train.stages)


def test_another_runs_pictures_are_where_that_run_has_them(
    run: Path, other: Path, tiny_run: Path, tmp_path: Path
) -> None:
    """`run` may name one over image shards, whatever the source of this run's prompts is."""
    config = config_of(
        tmp_path, {"stages": [{"epochs": 1, "run": str(other)}]}, {"output": "prediction"}
    )
    ledger = StageLedger(other)
    corpus = write_settings(config.build)["corpus"]
    (other / "images").rename(tmp_path / "shards")
    ledger.forget("corpus")
    ledger.begin(
        "corpus", {"corpus": {**corpus, "source": "shards", "paths": [str(tmp_path / "shards")]}}
    )
    assert config.train is not None
    (lent,) = collect_data(make_run(run, config), config.train.stages).stages
    assert lent.images == tmp_path / "shards" and len(lent) > 100
