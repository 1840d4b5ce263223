"""Where training starts and what is made of its ends: text-map heads, WiSE-FT."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_towers import make_tower, save_clip

from unprompt.index.base.durable import write_json
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.settings import write_settings
from unprompt.index.encoders.preprocess import Preprocess
from unprompt.index.encoders.protocols import to_unit_length
from unprompt.index.towers.clip_text import ClipTextEncoder
from unprompt.index.towers.trained_tower import (
    DESCRIPTION,
    HEAD,
    TOWER,
    TrainingResult,
    read_result,
)
from unprompt.inversion.train.average import average_exports, average_with_start
from unprompt.inversion.train.config import TowerConfig
from unprompt.inversion.train.data.pairs import Pairs, TrainingData
from unprompt.inversion.train.loop.checkpoints import save_weights
from unprompt.inversion.train.model.heads import LinearHead
from unprompt.inversion.train.text_map import fit_text_map, start_from_text_map
from unprompt.inversion.train.towers.build import LoadedTower, build_tower


def test_a_linear_relation_is_found() -> None:
    generator = np.random.default_rng(0)
    known = generator.normal(size=(12, 7)).astype(np.float32)
    texts = generator.normal(size=(200, 12)).astype(np.float32)
    np.testing.assert_allclose(fit_text_map(texts, texts @ known), known, atol=2e-3)


def test_noise_asks_for_a_larger_penalty() -> None:
    generator = np.random.default_rng(1)
    texts = to_unit_length(generator.normal(size=(40, 30)).astype(np.float32))
    noise = to_unit_length(generator.normal(size=(40, 5)).astype(np.float32))
    strong, weak = (fit_text_map(texts, noise, penalties=[p]) for p in (1e-2, 1e-6))
    assert np.abs(strong).sum() < 0.5 * np.abs(weak).sum()
    with pytest.raises(ConfigError, match="at least two prompts"):
        fit_text_map(texts[:1], noise[:1])


def test_a_head_starts_from_the_clips_own_texts(tmp_path: Path) -> None:
    loaded = build_tower(TowerConfig(f"local-dir:{save_clip(tmp_path)}"))
    prompts = [f"{c} {o}" for c in ("red", "blue", "old") for o in ("cat", "dog", "hat", "sea")]
    vectors = ClipTextEncoder(loaded.clip).encode(prompts)
    known = np.random.default_rng(2).normal(size=(24, 384)).astype(np.float32)
    targets = to_unit_length(vectors @ known)
    pairs = Pairs(Path(), prompts, np.arange(len(prompts)), targets, prompts)
    head = LinearHead(24)
    start_from_text_map(head, loaded, TrainingData((pairs,), pairs, "words"))
    with torch.no_grad():
        found = to_unit_length(head(torch.from_numpy(vectors)).numpy())
    assert (found * targets).sum(1).mean() > 0.99
    other = LoadedTower(make_tower("timm_vit", tmp_path), Preprocess(32, (0.5,) * 3, (0.5,) * 3))
    with pytest.raises(ConfigError, match="text_map needs one of open_clip's own ViTs"):
        start_from_text_map(head, other, TrainingData((pairs,), pairs, "words"))


def save_export(folder: Path, clip: Path, value: float) -> Path:
    tower = build_tower(TowerConfig(f"local-dir:{clip}")).tower
    tensors = {name: torch.full_like(t, value) for name, t in tower.trunk.state_dict().items()}
    save_weights(folder / TOWER, tensors)
    save_weights(folder / HEAD, {"weight_2": torch.full((24, 384), value)})
    result = TrainingResult(f"local-dir:{clip}", None, 32, 5, 0.7, 10, "words")
    write_json(folder / DESCRIPTION, write_settings(result))
    return folder


@pytest.mark.parametrize(("share", "wanted"), [(0.0, 1.0), (0.25, 1.5), (1.0, 3.0)])
def test_two_trainings_are_averaged(tmp_path: Path, share: float, wanted: float) -> None:
    clip = save_clip(tmp_path / "clip")
    one, two = (save_export(tmp_path / n, clip, v) for n, v in (("a", 1.0), ("b", 3.0)))
    average_exports(one, two, share, tmp_path / "mean")
    for name in (TOWER, HEAD):
        for tensor in load_file(tmp_path / "mean" / name).values():
            assert torch.all(tensor == wanted)
    assert read_result(tmp_path / "mean").validation_cosine is None


def test_a_training_is_averaged_with_its_start(tmp_path: Path) -> None:
    clip = save_clip(tmp_path / "clip")
    trained = save_export(tmp_path / "a", clip, 2.0)
    with pytest.raises(ConfigError, match="repeat the command with --tower local-dir:"):
        average_with_start(trained, 0.5, tmp_path / "mean")
    average_with_start(trained, 0.5, tmp_path / "mean", tower=f"local-dir:{clip}")
    start = build_tower(TowerConfig(f"local-dir:{clip}")).tower.trunk.state_dict()
    for name, tensor in load_file(tmp_path / "mean" / TOWER).items():
        torch.testing.assert_close(tensor, 0.5 * start[name] + 1.0)
    assert torch.all(load_file(tmp_path / "mean" / HEAD)["weight_2"] == 2.0)


def test_unlike_exports_are_not_averaged(tmp_path: Path) -> None:
    one = save_export(tmp_path / "a", save_clip(tmp_path / "clip"), 1.0)
    two = save_export(tmp_path / "b", save_clip(tmp_path / "other"), 1.0)
    with pytest.raises(ConfigError, match="only exports of one model"):
        average_exports(one, two, 0.5, tmp_path / "mean")
    save_weights(one / HEAD, {"weight_2": torch.zeros(3, 384)})
    same = save_export(tmp_path / "c", tmp_path / "clip", 1.0)
    with pytest.raises(ConfigError, match=r"weight_2 has shape \(3, 384\)"):
        average_exports(one, same, 0.5, tmp_path / "mean")
