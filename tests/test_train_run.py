"""`unprompt train head` for real: a tiny CLIP on the tiny run's pictures; killed and resumed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file
from tiny_towers import save_clip

from unprompt.index.base.errors import TrainingDivergedError, UnpromptError
from unprompt.index.towers.trained_tower import read_result
from unprompt.inversion.train.config import TrainConfig
from unprompt.inversion.train.loop.checkpoints import list_checkpoints, load_checkpoint
from unprompt.inversion.train.loop.metrics import read_metrics
from unprompt.ui.jobs.build import build_run
from unprompt.ui.jobs.config import load_config
from unprompt.ui.jobs.evaluation.evaluate_run import evaluate_run
from unprompt.ui.jobs.train.run import train_run

pytestmark = pytest.mark.slow

LIMIT_SECONDS = 180
DEFAULT_CACHE = TrainConfig().cache


@pytest.fixture
def run(tiny_run: Path, tmp_path: Path) -> Path:
    """The tiny run with its corpus and pictures alone."""
    return copy_pictures(tiny_run, tmp_path / "run")


@pytest.fixture(scope="module")
def trained(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `config.yaml` as `write_config` makes it, and `run`, trained by it."""
    folder = tmp_path_factory.mktemp("trained")
    run = copy_pictures(tiny_run, folder / "run")
    train_run(run, load_config(str(write_config(folder))))
    return folder


def copy_pictures(tiny_run: Path, folder: Path) -> Path:
    (folder / "stages").mkdir(parents=True)
    for name in ("corpus", "images"):
        (folder / name).symlink_to(tiny_run / name)
        shutil.copy(tiny_run / "stages" / f"{name}.json", folder / "stages")
    return folder


def write_config(tmp_path: Path, **changed: object) -> Path:
    from importlib.resources import files

    preset = (files("unprompt.build.presets") / "scenes-tiny.yaml").read_text()
    content = yaml.safe_load(preset)
    content["encoder"] = {"model": "efficientnet-lite0", "output": "prediction"}
    content["index"] = {"recall_k": 10}
    content["fallback"] = None
    content["fit"] |= {"powers": [], "penalties": [], "phrases": 0}
    content["train"] = {
        "tower": {"model": f"local-dir:{save_clip(tmp_path / 'clip')}"},
        "head": {"kind": "mlp", "width": 48},
        "tuning": {"frozen": 0.4, "lora": 0.4, "rank": 2, "alpha": 4},
        "stages": [{"epochs": 2, "head_only_epochs": 1, "learning_rate": 0.002}],
        "batch_size": 32,
        "checkpoint_steps": 3,
        "log_steps": 1,
        "ema": 0.9,
        **changed,
    }
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def exported(run: Path) -> dict[str, np.ndarray]:
    folder = run / "train" / "export"
    tower, head = load_file(folder / "tower.safetensors"), load_file(folder / "head.safetensors")
    return {**tower, **{f"head.{name}": array for name, array in head.items()}}


def command(config: Path, run: Path) -> list[str]:
    return ["-m", "unprompt.ui.cli.main", "train", "head", str(config), "-o", str(run)]


def test_training_builds_a_bundle_that_beats_the_constant_vector(run: Path, tmp_path: Path) -> None:
    stages = [{"epochs": 6, "learning_rate": 0.003}]
    tower = {"model": "efficientnet-lite0", "image_size": 96}
    tuning = {"frozen": 0.9, "lora": 0.0}
    path = write_config(tmp_path, tower=tower, stages=stages, tuning=tuning)
    config = load_config(str(path))
    build_run(run, config)
    scores = {score.method: score.mean_cosine for score in evaluate_run(run, config).scores}
    assert scores["head"] > scores["constant"] + 0.01
    head = json.loads((run / "bundle" / "head" / "config.json").read_text())
    assert head["kind"] == "encoder"
    train = run / "train"
    assert yaml.safe_load((train / "config.yaml").read_text())["batch_size"] == 32
    assert {p.name for p in train.iterdir()} >= {
        "metrics.jsonl",
        "curves.png",
        "tensorboard",
        "checkpoints",
    }
    kept = read_result(train / "export")
    lines = read_metrics(train / "metrics.jsonl")
    cosines = [line["cosine"] for line in lines if line["kind"] == "validation"]
    assert kept.validation_cosine == max(cosines) and len(cosines) == 6
    assert cosines[-1] > cosines[0]


def test_the_encoder_predicts_what_training_measured(trained: Path, tmp_path: Path) -> None:
    run = shutil.copytree(trained / "run", tmp_path / "run", symlinks=True)
    bundle = build_run(run, load_config(str(trained / "config.yaml")))
    measured = read_result(run / "train" / "export").validation_cosine
    head = json.loads((bundle / "head" / "config.json").read_text())
    assert head["validation_cosine"] == pytest.approx(measured, abs=2e-3)  # fp16 on disk


@pytest.mark.parametrize("cache", [True, False])
def test_a_killed_run_goes_on_to_the_same_weights(
    run: Path, trained: Path, tmp_path: Path, cache: bool
) -> None:
    path, whole = write_config(tmp_path, cache=cache), trained / "run"
    if cache != DEFAULT_CACHE:
        whole = shutil.copytree(run, tmp_path / "whole", symlinks=True)
        train_run(whole, load_config(str(path)))
    process = subprocess.Popen(
        [sys.executable, *command(path, run)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    give_up = time.monotonic() + LIMIT_SECONDS
    marker = run / "train" / "checkpoints" / "step_00000006" / "state.json"
    while process.poll() is None and not marker.exists() and time.monotonic() < give_up:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert marker.exists() and not (run / "train" / "export" / "training.json").exists()
    reached = max(line["step"] for line in read_metrics(run / "train" / "metrics.jsonl"))
    kept = load_checkpoint(list_checkpoints(run / "train" / "checkpoints")[-1])
    assert 6 <= kept.progressed.step <= reached <= kept.progressed.step + 3, "one interval is lost"
    train_run(run, load_config(str(path)))
    found, wanted = exported(run), exported(whole)
    assert set(found) == set(wanted)
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
    steps = [line["step"] for line in read_metrics(run / "train" / "metrics.jsonl")]
    assert steps == [line["step"] for line in read_metrics(whole / "train" / "metrics.jsonl")]


def test_two_processes_follow_the_curve_of_one(run: Path, tmp_path: Path, free_port: int) -> None:
    path = write_config(
        tmp_path, head={"kind": "linear"}, stages=[{"epochs": 2, "learning_rate": 0.002}]
    )
    alone = tmp_path / "alone"
    shutil.copytree(run, alone, symlinks=True)
    train_run(alone, load_config(str(path)))
    launched = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2",
         "--master_addr", "127.0.0.1", "--master_port", str(free_port), *command(path, run)],
        capture_output=True, text=True, timeout=LIMIT_SECONDS,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert launched.returncode == 0, launched.stderr
    one, two = (
        [
            line["loss"]
            for line in read_metrics(f / "train" / "metrics.jsonl")
            if line["kind"] == "step"
        ]
        for f in (alone, run)
    )
    assert len(one) == len(two) >= 12
    assert one[-1] < one[0]
    np.testing.assert_allclose(two, one, atol=1e-3)


def test_a_loss_that_is_no_number_stops_the_run(run: Path, tmp_path: Path) -> None:
    stages = [{"epochs": 1, "learning_rate": 1e-3}, {"epochs": 1, "learning_rate": 1e30}]
    path = write_config(tmp_path, stages=stages, clip_norm=None)
    with pytest.raises(TrainingDivergedError) as stop:
        train_run(run, load_config(str(path)))
    message = str(stop.value)
    first = len(read_metrics(run / "train" / "metrics.jsonl")) - 1
    assert "stage 1" in message and "batch" in message and "pictures 0" in message
    assert "step_0000" in message and "train.clip_norm" in message
    kept = load_file(run / "train" / "checkpoints" / "best" / "weights.safetensors")
    assert all(np.isfinite(array).all() for array in kept.values()) and first > 0
    place = list_checkpoints(run / "train" / "checkpoints")[-1]
    assert str(place) in message
    last = load_checkpoint(place)
    assert all(tensor.isfinite().all() for tensor in last.weights.values())


def test_other_settings_in_the_same_folder_are_refused(trained: Path, tmp_path: Path) -> None:
    tower = {"model": f"local-dir:{trained / 'clip'}"}
    changed = load_config(str(write_config(tmp_path, tower=tower, batch_size=16)))
    with pytest.raises(UnpromptError, match="batch_size"):
        train_run(trained / "run", changed)


def test_resume_none_starts_anew(trained: Path, tmp_path: Path) -> None:
    run = shutil.copytree(trained / "run", tmp_path / "run", symlinks=True)
    config = load_config(str(trained / "config.yaml"))
    first = exported(run)
    marker = run / "train" / "checkpoints" / "best" / "weights.safetensors"
    before = marker.stat().st_mtime_ns
    train_run(run, config)
    assert marker.stat().st_mtime_ns == before
    train_run(run, config, resume="none")
    assert marker.stat().st_mtime_ns > before
    for name, array in exported(run).items():
        np.testing.assert_array_equal(array, first[name])


def test_a_trained_tower_becomes_an_open_clip_folder(
    run: Path, tmp_path: Path, cli: Callable[..., Any]
) -> None:
    config = write_config(tmp_path, stages=[{"epochs": 1, "learning_rate": 0.01}], ema=None)
    assert cli("train", "head", config, "-o", run).out.strip() == str(run / "train" / "export")
    folder = tmp_path / "exported"
    refused = cli("train", "export", run, folder)
    assert refused.code == 1 and "repeat the command with --tower local-dir:" in refused.err
    tower = ("--tower", refused.err.rpartition("--tower ")[2].strip())  # as it says
    assert cli("train", "export", run, folder, *tower).code == 0
    saved = load_file(folder / "open_clip_model.safetensors")
    for name, array in load_file(run / "train" / "export" / "tower.safetensors").items():
        np.testing.assert_array_equal(saved[f"visual.{name}"], array)
    assert cli("train", "average", run, tmp_path / "mean", "--share", "0.5", *tower).code == 0
    assert (tmp_path / "mean" / "training.json").is_file()
    nothing = cli("train", "export", tmp_path / "nowhere", folder)
    assert nothing.code == 1 and "unprompt train head" in nothing.err


def test_recipes_are_listed_and_printed(cli: Callable[..., Any]) -> None:
    names = [line.split("\t")[0] for line in cli("train", "recipes").out.splitlines()]
    assert names == ["kaggle-1st", "kaggle-2nd", "kaggle-3rd", "kaggle-5th"]
    printed = yaml.safe_load(cli("train", "recipes", "kaggle-1st", "--member", "blip2").out)
    assert printed["train"]["tower"]["model"].startswith("blip2:")
