"""A trained tower with its head as an encoder: in torch and in OpenVINO what training predicts."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny_towers import save_blip2, save_clip

from unprompt.index.base.durable import write_json
from unprompt.index.base.errors import ConfigError, DamagedFileError
from unprompt.index.base.settings import write_settings
from unprompt.index.encoders.protocols import EncoderConfig, to_unit_length
from unprompt.index.exported.export import export_encoder, load_encoder
from unprompt.index.runtime.openvino_graph import compile_module
from unprompt.index.towers.clip import load_clip
from unprompt.index.towers.clip_text import ClipTextEncoder
from unprompt.index.towers.qformer import load_qformer
from unprompt.index.towers.trained_tower import DESCRIPTION, HEAD, TOWER, TrainingResult, read_head
from unprompt.inversion.train.config import HeadLayout, TowerConfig, TrainConfig, TuningConfig
from unprompt.inversion.train.data.cache import LowerPart
from unprompt.inversion.train.export import write_export
from unprompt.inversion.train.loop.checkpoints import save_weights
from unprompt.inversion.train.model.layout import check_gradients
from unprompt.inversion.train.model.regressor import Regressor
from unprompt.inversion.train.regression import build_regressor
from unprompt.inversion.train.towers.build import build_tower

TIMM = ("test_vit", "test_convnext", "test_efficientnet")
BATCH = 3


class Trained(NamedTuple):
    """A regressor after one step, with what names its tower."""

    module: Regressor
    tower: TowerConfig
    pixels: np.ndarray  # (n, s, s, 3) uint8

    @property
    def pictures(self) -> list[Image.Image]:
        return [Image.fromarray(picture) for picture in self.pixels]

    def predicted(self) -> np.ndarray:
        with torch.no_grad():
            found = self.module.eval().predict((torch.from_numpy(self.pixels),))
        return to_unit_length(found.numpy())

    def encoder(self, output: str, **changed: object) -> EncoderConfig:
        named = {
            "model": self.tower.model,
            "pretrained": self.tower.pretrained,
            "image_size": self.tower.image_size,
            "batch_size": BATCH,
        }
        return EncoderConfig(output=output, **{**named, **changed})  # type: ignore[arg-type]


def tower_of(family: str, folder: Path, image_size: int | None = None) -> TowerConfig:
    if family == "clip":
        return TowerConfig(f"local-dir:{save_clip(folder / 'clip')}")
    if family == "blip2":
        return TowerConfig(f"blip2:{save_blip2(folder / 'blip2')}", None, image_size)
    torch.manual_seed(0)
    path = folder / f"{family}.safetensors"
    import timm

    save_file(timm.create_model(family).state_dict(), path)
    return TowerConfig(f"timm:{family}", str(path), image_size or 64)


def train_a_step(tower: TowerConfig, kind: str) -> Trained:
    """One step large enough to see: half the blocks frozen, LoRA above them, the top in full."""
    config = TrainConfig(
        tower=tower,
        head=HeadLayout(kind=kind, width=16, queries=3, layers=2),  # type: ignore[arg-type]
        tuning=TuningConfig(frozen=0.4, lora=0.2, rank=2, alpha=4),
    )
    loaded = build_tower(tower)
    module = build_regressor(config, loaded)
    size = loaded.preprocess.image_size
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 255, (BATCH, size, size, 3), dtype=np.uint8)
    for number, picture in enumerate(pixels):  # noise alone looks alike to every tower
        picture[: size // 2, :, number] = 0
    torch.manual_seed(3)
    targets = torch.randn(len(pixels), 384)
    module.train()
    module((torch.from_numpy(pixels),), targets).backward()
    check_gradients(module)
    torch.optim.SGD([p for p in module.parameters() if p.requires_grad], lr=0.3).step()
    return Trained(module, tower, pixels)


def save(trained: Trained, folder: Path) -> Path:
    """The export of a training, as its run would write it."""
    write_export(folder, trained.module)
    tower = trained.tower
    size = trained.pixels.shape[1]
    result = TrainingResult(tower.model, tower.pretrained, size, 1, 0.5, BATCH, "words", "corpus")
    write_json(folder / DESCRIPTION, write_settings(result))
    return folder


@pytest.mark.parametrize(
    ("family", "kind", "image_size"),
    [
        ("clip", "qformer", None),
        ("blip2", "linear", None),
        ("blip2", "qformer", 48),
        *((family, kind, 96) for family in TIMM for kind in ("mlp", "qformer")),
    ],
)
def test_an_encoder_predicts_what_training_does(
    family: str, kind: str, image_size: int | None, tmp_path: Path
) -> None:
    trained = train_a_step(tower_of(family, tmp_path, image_size), kind)
    wanted = trained.predicted()
    export = save(trained, tmp_path / "export")
    in_torch = load_clip(trained.encoder("prediction"), "cpu", export)
    np.testing.assert_allclose(in_torch.encode(trained.pictures), wanted, atol=1e-5)
    assert (wanted @ wanted.T).min() < 0.9999, "the pictures must not all look alike"


@pytest.mark.parametrize(("family", "kind"), [("clip", "qformer"), ("blip2", "linear")])
def test_an_exported_graph_stays_right(family: str, kind: str, tmp_path: Path) -> None:
    trained = train_a_step(tower_of(family, tmp_path), kind)
    wanted = trained.predicted()
    config = trained.encoder("prediction")
    description = export_encoder(config, tmp_path / "encoder", save(trained, tmp_path / "export"))
    assert description["trained_on"] == "corpus"
    encoder = load_encoder(tmp_path / "encoder")
    for time in range(3):  # a graph may be right once and wrong from then on
        found = encoder.encode(trained.pictures)
        assert np.einsum("nd,nd->n", found, wanted).min() > 0.9999, time
        np.testing.assert_allclose(found, wanted, atol=5e-3)


def test_cached_states_of_a_frozen_blip2_stay_right(tmp_path: Path) -> None:
    loaded = build_tower(tower_of("blip2", tmp_path))
    lower = LowerPart(loaded.tower, loaded.preprocess, len(loaded.tower.blocks)).eval()
    size = loaded.preprocess.image_size
    pixels = np.random.default_rng(0).integers(0, 255, (20, size, size, 3), dtype=np.uint8)
    with torch.no_grad():
        wanted = [state.numpy() for state in lower(torch.from_numpy(pixels))]
    run = compile_module(lower, size)
    for _ in range(2):
        for found, state in zip(run(pixels), wanted, strict=True):
            np.testing.assert_allclose(found, state, atol=1e-4)


def test_features_of_blip2_feed_its_trained_head(tmp_path: Path) -> None:
    trained = train_a_step(tower_of("blip2", tmp_path), "mlp")
    wanted = trained.predicted()
    save(trained, tmp_path / "export")
    features = load_clip(trained.encoder("features"), "cpu", tmp_path / "export")
    head = read_head(tmp_path / "export")
    hidden = np.maximum(features.encode(trained.pictures) @ head["weight_1"] + head["bias_1"], 0.0)
    found = to_unit_length(hidden @ head["weight_2"] + head["bias_2"])
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_a_torch_bundle_carries_what_was_trained(tmp_path: Path) -> None:
    trained = train_a_step(tower_of("blip2", tmp_path), "qformer")
    save(trained, tmp_path / "export")
    config = trained.encoder("prediction", runtime="torch")
    description = export_encoder(config, tmp_path / "encoder", tmp_path / "export")
    assert {TOWER, HEAD} == set(description["files"])
    found = load_encoder(tmp_path / "encoder").encode(trained.pictures)
    np.testing.assert_allclose(found, trained.predicted(), atol=1e-5)


def test_an_untrained_image_tower_encodes(tmp_path: Path) -> None:
    from transformers.models.blip_2.modeling_blip_2 import Blip2Model

    folder = save_blip2(tmp_path)
    clip = load_clip(EncoderConfig(model=f"blip2:{folder}"), "cpu")
    picture = Image.linear_gradient("L").convert("RGB")
    pixels = torch.from_numpy(clip.preprocess([picture])).permute(0, 3, 1, 2).float() / 255
    mean, std = (
        torch.tensor(part).view(1, 3, 1, 1) for part in (clip.preprocess.mean, clip.preprocess.std)
    )
    with torch.no_grad():
        full = Blip2Model.from_pretrained(folder).eval()
        queries = full.get_qformer_features(pixel_values=(pixels - mean) / std)
    wanted = to_unit_length(queries.mean(1).numpy())
    np.testing.assert_allclose(clip.encode([picture]), wanted, atol=1e-5)
    with pytest.raises(ConfigError, match="no text side.*encoder.output: features"):
        load_clip(EncoderConfig(model=f"blip2:{folder}", output="embedding"), "cpu")
    with pytest.raises(ConfigError, match="text keys need the joint space"):
        ClipTextEncoder(clip)


def test_timm_weights_come_whole_or_not_at_all(tmp_path: Path) -> None:
    config = tower_of("test_vit", tmp_path)
    saved = load_file(str(config.pretrained))
    trunk = build_tower(config).tower.trunk
    for name, tensor in trunk.state_dict().items():
        if name != "pos_embed":  # resized to 64 pixels
            assert torch.equal(tensor, saved[name]), name
    lacking = {name: tensor for name, tensor in saved.items() if name != "blocks.1.attn.qkv.weight"}
    save_file(lacking, tmp_path / "lacking.safetensors")
    with pytest.raises(ConfigError, match=r"Missing key.*blocks\.1\.attn\.qkv\.weight"):
        build_tower(TowerConfig("timm:test_vit", str(tmp_path / "lacking.safetensors")))
    with pytest.raises(ConfigError, match="no checkpoint file"):
        build_tower(TowerConfig("timm:test_vit", str(tmp_path / "none.safetensors")))
    with pytest.raises(ConfigError, match="has no model 'vit_of_nobody'"):
        build_tower(TowerConfig("timm:vit_of_nobody"))
    with pytest.raises(ConfigError, match="training knows the towers.*got ResNet"):
        build_tower(tower_of("test_resnet", tmp_path))


def test_a_torn_qformer_is_told(tmp_path: Path) -> None:
    trained = train_a_step(tower_of("clip", tmp_path), "qformer")
    write_export(tmp_path / "export", trained.module)
    head = load_file(tmp_path / "export" / HEAD)
    del head["decoder.layers.1.linear1.weight"]
    save_weights(tmp_path / "export" / HEAD, head)
    with pytest.raises(
        DamagedFileError, match=r"(?s)the saved Q-Former is incomplete.*linear1\.weight"
    ):
        load_qformer(read_head(tmp_path / "export"))
