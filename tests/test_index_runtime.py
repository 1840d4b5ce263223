"""An exported tower answers as torch does, without torch; its files are checked when loaded."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from unprompt.index.base.errors import DamagedFileError
from unprompt.index.encoders.protocols import EncoderConfig
from unprompt.index.exported.export import OpenVinoEncoder, export_encoder, load_encoder
from unprompt.index.towers.clip import load_clip

# the pooled output, and mean and deviation of the channels of the last four stages
LITE0_FEATURES = 1280 + 2 * (24 + 40 + 112 + 320)

CONFIG = EncoderConfig(model="efficientnet-lite0")


@pytest.fixture
def exported(tiny_run: Path, tmp_path: Path) -> Path:
    """A copy of the tower that the tiny run exported."""
    shutil.copytree(tiny_run / "bundle" / "encoder", tmp_path / "encoder")
    return tmp_path / "encoder"


def test_export_answers_as_torch_does(tiny_run: Path, tiny_pictures: list[Image.Image]) -> None:
    encoder = load_encoder(tiny_run / "bundle" / "encoder")
    clip = load_clip(CONFIG, "cpu")
    assert isinstance(encoder, OpenVinoEncoder)
    assert (encoder.space, encoder.dim) == (clip.space, clip.dim)
    # 40 pictures: one full batch of 32, then single ones
    found, wanted = encoder.encode(tiny_pictures), clip.encode(tiny_pictures)
    assert found.shape == wanted.shape == (40, LITE0_FEATURES) and found.dtype == np.float32
    assert np.einsum("nd,nd->n", found, wanted).min() >= 0.9999
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-4)
    assert encoder.encode([]).shape == (0, LITE0_FEATURES)


def test_int8_weights_keep_the_vectors(tmp_path: Path, tiny_pictures: list[Image.Image]) -> None:
    config = EncoderConfig(model="efficientnet-lite0", output="pooled", storage="int8")
    export_encoder(config, tmp_path)
    found = load_encoder(tmp_path).encode(tiny_pictures)
    cosines = np.einsum("nd,nd->n", found, load_clip(config, "cpu").encode(tiny_pictures))
    assert cosines.mean() >= 0.999 and cosines.min() >= 0.998, cosines
    stored = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert stored < 4_300_000  # 7,000,000 as float16


def test_the_same_picture_gives_the_same_vector(
    tiny_run: Path, tiny_pictures: list[Image.Image]
) -> None:
    encoder = load_encoder(tiny_run / "bundle" / "encoder")
    one = encoder.encode(tiny_pictures[:1])
    assert one.tobytes() == encoder.encode(tiny_pictures[:1]).tobytes()
    first_of_two, _ = encoder.encode(tiny_pictures[:2])
    assert one[0].tobytes() == first_of_two.tobytes()


def test_another_size_is_another_space(tiny_run: Path, tmp_path: Path) -> None:
    small = EncoderConfig(model="efficientnet-lite0", image_size=96, output="embedding")
    description = export_encoder(small, tmp_path)
    encoder = load_encoder(tmp_path)
    assert (
        encoder.space == description["space"] != load_encoder(tiny_run / "bundle" / "encoder").space
    )
    assert encoder.dim == 384
    picture = Image.linear_gradient("L").convert("RGB")
    wanted = load_clip(small, "cpu").encode([picture])
    assert float(np.vdot(encoder.encode([picture]), wanted)) >= 0.9999


@pytest.mark.parametrize("name", ["tower.xml", "tower.bin"])
def test_a_damaged_tower_is_named(exported: Path, name: str) -> None:
    content = bytearray((exported / name).read_bytes())
    content[len(content) // 2] ^= 4
    (exported / name).write_bytes(content)
    with pytest.raises(DamagedFileError, match=f"{name} is missing or not what was written"):
        load_encoder(exported)
    (exported / name).unlink()
    with pytest.raises(DamagedFileError, match=f"{name}.*--stage encoder"):
        load_encoder(exported)


def test_no_description(exported: Path) -> None:
    (exported / "encoder.json").unlink()
    with pytest.raises(DamagedFileError, match=r"encoder\.json is missing"):
        load_encoder(exported)


def test_a_torch_bundle_carries_its_tower_and_names_nothing_that_loads(
    tmp_path: Path, tiny_pictures: list[Any]
) -> None:
    config = EncoderConfig(model="efficientnet-lite0", runtime="torch")
    description = export_encoder(config, tmp_path)
    assert set(description["files"]) == {"tower.safetensors"}
    config_elsewhere = {**description["config"], "model": "local-dir:/no/such/folder"}
    (tmp_path / "encoder.json").write_text(
        json.dumps({**description, "config": config_elsewhere, "space": "f" * 16})
    )
    encoder = load_encoder(tmp_path)
    assert encoder.space == "f" * 16, "the digests of the files vouch for the weights"
    wanted = load_clip(config, "cpu").encode(tiny_pictures[:2])
    np.testing.assert_allclose(encoder.encode(tiny_pictures[:2]), wanted, atol=1e-5)
