"""Contrastive fine-tuning of real, tiny CLIPs on the tiny run's pictures."""

import shutil
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file
from tiny_towers import save_clip

from unprompt.index.clip import ClipTextEncoder, load_clip
from unprompt.index.encoders import EncoderConfig
from unprompt.index.errors import ConfigError
from unprompt.index.open_clip_folder import save_open_clip
from unprompt.inversion.train.clip_config import ClipTrainConfig
from unprompt.inversion.train.config import StageConfig
from unprompt.inversion.train.metrics import read_metrics
from unprompt.ui.config import load_config
from unprompt.ui.train import train_run


@pytest.fixture
def run(tiny_run: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "run"
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
def test_the_loss_falls_and_the_text_tower_stays(run: Path, tmp_path: Path, loss: str) -> None:
    export = train_run(run, load_config(str(write_config(tmp_path, loss=loss))), kind="clip")
    lines = [e for e in read_metrics(run / "clip" / "metrics.jsonl") if e["kind"] == "step"]
    losses = [line["loss"] for line in lines]
    assert np.mean(losses[-3:]) < np.mean(losses[:3]) - 0.02
    before = load_file(tmp_path / "clip" / "open_clip_model.safetensors")
    after = load_file(export / "open_clip_model.safetensors")
    text = [n for n in before if not n.startswith("visual.") and not n.startswith("logit")]
    assert len(text) > 10 and all(torch.equal(before[name], after[name]) for name in text)
    assert not torch.equal(before["visual.proj"], after["visual.proj"])
    assert ("logit_bias" in after) == (loss == "siglip")


def test_an_unlocked_text_tower_learns(run: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path, lock_text=False, stages=[{"epochs": 1}])
    export = train_run(run, load_config(str(config)), kind="clip")
    before = load_file(tmp_path / "clip" / "open_clip_model.safetensors")
    after = load_file(export / "open_clip_model.safetensors")
    for name in ("text_projection", "transformer.resblocks.0.mlp.c_fc.weight"):
        assert not torch.equal(before[name], after[name]), name


def test_the_export_is_a_clip_that_open_clip_loads(run: Path, tmp_path: Path) -> None:
    export = train_run(run, load_config(str(write_config(tmp_path))), kind="clip")
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
    validation = [e for e in read_metrics(run / "clip" / "metrics.jsonl") if e["kind"] != "step"]
    assert len(validation) == 4 and all(0 < e["cosine"] <= 1 for e in validation)


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
