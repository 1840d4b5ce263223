"""Contrastive fine-tuning of real, tiny CLIPs on the tiny run's pictures."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file
from tiny_towers import save_clip

from unprompt.index.base.errors import ConfigError
from unprompt.index.encoders.protocols import EncoderConfig
from unprompt.index.exported.export import export_encoder, trained_on
from unprompt.index.towers.clip import load_clip
from unprompt.index.towers.clip_text import ClipTextEncoder
from unprompt.index.towers.open_clip_folder import read_trained_on, save_open_clip
from unprompt.index.towers.trained_tower import join_corpora
from unprompt.inversion.train.clip_config import ClipTrainConfig
from unprompt.inversion.train.config import StageConfig, TowerConfig, TuningConfig
from unprompt.inversion.train.contrastive import ContrastiveModule
from unprompt.inversion.train.loop.launch import Launch
from unprompt.inversion.train.loop.metrics import read_metrics
from unprompt.inversion.train.towers.build import build_tower
from unprompt.ui.jobs.config import load_config
from unprompt.ui.jobs.train.run import train_run

pytestmark = pytest.mark.slow

LIMIT_SECONDS = 180


@pytest.fixture
def run(tiny_run: Path, tmp_path: Path) -> Path:
    return copy_pictures(tiny_run, tmp_path / "run")


@pytest.fixture(scope="module")
def trained(
    tiny_run: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[Path, Path]]:
    """A loss -> a folder with the CLIP before training and its run, and what training exported."""

    @cache
    def train(loss: str) -> tuple[Path, Path]:
        folder = tmp_path_factory.mktemp(loss)
        run = copy_pictures(tiny_run, folder / "run")
        return folder, train_run(
            run, load_config(str(write_config(folder, loss=loss))), section="clip"
        )

    return train


def copy_pictures(tiny_run: Path, folder: Path) -> Path:
    """The tiny run with its corpus and pictures alone."""
    (folder / "stages").mkdir(parents=True)
    for name in ("corpus", "images"):
        (folder / name).symlink_to(tiny_run / name)
        shutil.copy(tiny_run / "stages" / f"{name}.json", folder / "stages")
    return folder


def write_config(tmp_path: Path, **changed: object) -> Path:
    from importlib.resources import files

    preset = (files("unprompt.build.presets") / "scenes-tiny.yaml").read_text()
    content = yaml.safe_load(preset)
    content["clip"] = {
        "model": f"local-dir:{save_clip(tmp_path / 'clip')}",
        "tuning": {"frozen": 0.2, "lora": 0.4, "rank": 2, "alpha": 4},
        "stages": [{"epochs": 4, "learning_rate": 0.003}],
        "batch_size": 64,
        "log_steps": 1,
        "ema": None,
        **changed,
    }
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.parametrize("loss", ["clip", "siglip"])
def test_the_loss_falls_and_the_text_tower_stays(
    trained: Callable[[str], tuple[Path, Path]], loss: str
) -> None:
    folder, export = trained(loss)
    metrics = read_metrics(folder / "run" / "clip" / "metrics.jsonl")
    lines = [line for line in metrics if line["kind"] == "step"]
    losses = [line["loss"] for line in lines]
    assert np.mean(losses[-3:]) < np.mean(losses[:3]) - 0.02
    before = load_file(folder / "clip" / "open_clip_model.safetensors")
    after = load_file(export / "open_clip_model.safetensors")
    text = [n for n in before if not n.startswith("visual.") and not n.startswith("logit")]
    assert len(text) > 10 and all(torch.equal(before[name], after[name]) for name in text)
    assert not torch.equal(before["visual.proj"], after["visual.proj"])
    assert ("logit_bias" in after) == (loss == "siglip")


def test_an_unlocked_text_tower_learns(run: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path, lock_text=False, stages=[{"epochs": 1}])
    export = train_run(run, load_config(str(config)), section="clip")
    before = load_file(tmp_path / "clip" / "open_clip_model.safetensors")
    after = load_file(export / "open_clip_model.safetensors")
    for name in ("text_projection", "transformer.resblocks.0.mlp.c_fc.weight"):
        assert not torch.equal(before[name], after[name]), name


def test_the_export_is_a_clip_that_open_clip_loads(
    trained: Callable[[str], tuple[Path, Path]],
) -> None:
    import open_clip

    folder, export = trained("clip")
    name = f"local-dir:{export}"
    theirs = open_clip.create_model(name).eval()
    ours = load_clip(EncoderConfig(model=name, output="embedding"))
    picture = Image.new("RGB", (40, 36), "teal")
    with torch.no_grad():
        pixels = torch.from_numpy(ours.preprocess([picture])).permute(0, 3, 1, 2)
        wanted = theirs.encode_image((pixels.float() / 255 - 0.5) / 0.5, normalize=True)
        texts = theirs.encode_text(open_clip.get_tokenizer(name)(["a cat"]), normalize=True)
    np.testing.assert_allclose(ours.encode([picture]), wanted, atol=1e-5)
    np.testing.assert_allclose(ClipTextEncoder(ours).encode(["a cat"]), texts, atol=1e-5)
    metrics = read_metrics(folder / "run" / "clip" / "metrics.jsonl")
    validation = [line for line in metrics if line["kind"] != "step"]
    assert len(validation) == 4 and all(0 < e["cosine"] <= 1 for e in validation)


def test_an_encoder_knows_what_its_clip_was_trained_on(run: Path, tmp_path: Path) -> None:
    config = load_config(str(write_config(tmp_path, stages=[{"epochs": 1}])))
    export = train_run(run, config, section="clip")
    encoder = EncoderConfig(model=f"local-dir:{export}", output="embedding", runtime="torch")
    export_encoder(encoder, tmp_path / "encoder")
    digest = config.build.corpus.held_out_digest
    assert trained_on(tmp_path / "encoder") == digest
    fresh = EncoderConfig(
        model=f"local-dir:{tmp_path / 'clip'}", output="embedding", runtime="torch"
    )
    export_encoder(fresh, tmp_path / "fresh")
    assert trained_on(tmp_path / "fresh") is None
    # trained on from there on another corpus, neither's held-out prompts are sure to be unseen
    assert read_trained_on(f"local-dir:{export}") == digest
    assert join_corpora(digest, digest) == join_corpora(None, digest) == digest
    assert join_corpora(None, None) is None
    assert join_corpora(digest, "other") == join_corpora("other", digest)
    assert join_corpora(digest, "other") not in (digest, "other", None)


def by_hand(loss: str, images: np.ndarray, texts: np.ndarray, scale: float, bias: float) -> float:
    """The loss of pairs of unit vectors (n, d), in numpy."""
    logits = scale * images @ texts.T
    if loss == "siglip":
        signs = 2.0 * np.eye(len(logits)) - 1.0
        return float(np.log1p(np.exp(-signs * (logits + bias))).sum() / len(logits))
    rows = np.log(np.exp(logits).sum(1)) - np.diag(logits)
    columns = np.log(np.exp(logits).sum(0)) - np.diag(logits)
    return float((rows.mean() + columns.mean()) / 2)


@pytest.mark.parametrize("loss", ["clip", "siglip"])
def test_the_loss_by_value(loss: str, tmp_path: Path) -> None:
    config = ClipTrainConfig(
        model=f"local-dir:{save_clip(tmp_path)}",
        loss=loss,  # type: ignore[arg-type]
        tuning=TuningConfig(frozen=1.0, lora=0.0),
    )
    loaded = build_tower(TowerConfig(config.model))
    module = ContrastiveModule(loaded, config, Launch()).eval()
    torch.manual_seed(0)
    pixels = torch.randint(0, 255, (5, 32, 32, 3), dtype=torch.uint8)
    texts = torch.nn.functional.normalize(torch.randn(5, 24), dim=-1)
    with torch.no_grad():
        images = module.predict((pixels,)).numpy()
        found = module((pixels,), texts).item()
    scale, bias = (1 / 0.07, 0.0) if loss == "clip" else (10.0, -10.0)
    assert found == pytest.approx(by_hand(loss, images, texts.numpy(), scale, bias), rel=1e-4)


@pytest.mark.parametrize("loss", ["clip", "siglip"])
def test_pairs_of_other_processes_are_negatives_too(
    run: Path, tmp_path: Path, free_port: int, loss: str
) -> None:
    config = write_config(tmp_path, loss=loss, stages=[{"epochs": 1, "learning_rate": 0.003}])
    alone = tmp_path / "alone"
    shutil.copytree(run, alone, symlinks=True)
    train_run(alone, load_config(str(config)), section="clip")
    launched = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2",
         "--master_addr", "127.0.0.1", "--master_port", str(free_port),
         "-m", "unprompt.ui.cli.main", "train", "clip", str(config), "-o", str(run)],
        capture_output=True, text=True, timeout=LIMIT_SECONDS,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert launched.returncode == 0, launched.stderr
    one, two = (
        [e["loss"] for e in read_metrics(f / "clip" / "metrics.jsonl") if e["kind"] == "step"]
        for f in (alone, run)
    )
    assert len(one) == len(two) >= 4
    np.testing.assert_allclose(two, one, atol=1e-3)


def test_the_offline_clip_travels_in_a_folder(tmp_path: Path) -> None:
    config = EncoderConfig(model="efficientnet-lite0", output="embedding", image_size=96)
    clip = load_clip(config, "cpu")
    save_open_clip(clip, clip.preprocess, tmp_path / "folder")
    moved = (tmp_path / "folder").rename(tmp_path / "moved")
    again = load_clip(EncoderConfig(model=f"local-dir:{moved}", output="embedding"), "cpu")
    picture = Image.new("RGB", (40, 36), "teal")
    np.testing.assert_allclose(again.encode([picture]), clip.encode([picture]), atol=1e-6)
    texts = ["a red cat in the snow"]
    found, wanted = (ClipTextEncoder(c).encode(texts) for c in (again, clip))
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert again.preprocess == clip.preprocess


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(ConfigError, match="no head_only_epochs"):
        ClipTrainConfig(stages=(StageConfig(2, head_only_epochs=1),))
    with pytest.raises(ConfigError, match="batch_size must be >= 2"):
        ClipTrainConfig(batch_size=1)
