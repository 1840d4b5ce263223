"""How a tower runs in torch: rounded, compiled, and refused where its vectors change."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from tiny_towers import SIZE, save_clip

from unprompt.index.base.errors import ConfigError
from unprompt.index.encoders.protocols import EncoderConfig
from unprompt.index.exported.export import export_encoder, load_encoder
from unprompt.index.runtime.self_check import synthetic_pictures
from unprompt.index.towers.clip import load_clip

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> EncoderConfig:
    folder = save_clip(tmp_path_factory.mktemp("clip"), layers=1)
    return EncoderConfig(f"local-dir:{folder}", output="embedding", runtime="torch", batch_size=4)


def test_rounded_by_request_alone_on_a_cpu(config: EncoderConfig) -> None:
    pictures = synthetic_pictures(4, SIZE)
    exact = load_clip(config, "cpu").encode_pixels(pictures)
    plain = load_clip(replace(config, precision="f32"), "cpu").encode_pixels(pictures)
    rounded = load_clip(replace(config, precision="bf16"), "cpu").encode_pixels(pictures)
    assert exact.tobytes() == plain.tobytes() != rounded.tobytes()
    assert np.einsum("nd,nd->n", exact, rounded).min() > 0.99


@pytest.mark.parametrize(("precision", "floor"), [("f32", 0.9999), ("bf16", 0.999)])
def test_a_compiled_tower_gives_the_same_vectors(
    precision: Literal["f32", "bf16"],
    floor: float,
    config: EncoderConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch
    from torch._dynamo.utils import counters

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    torch._dynamo.reset()
    counters.clear()
    pictures = synthetic_pictures(4, SIZE)
    config = replace(config, precision=precision)
    wanted = load_clip(config, "cpu").encode_pixels(pictures)
    export_encoder(replace(config, compile=True), tmp_path / "tower")
    compiled = load_encoder(tmp_path / "tower")
    found = compiled.encode_pixels(pictures)
    assert np.einsum("nd,nd->n", found, wanted).min() >= floor
    few = compiled.encode_pixels(pictures[:3])
    assert few.tobytes() == found[:3].tobytes(), "a short batch is filled up"
    assert counters["stats"]["unique_graphs"] == 1, "torch did compile, and once"


def test_compiling_without_a_compiler_says_what_it_needs(
    config: EncoderConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", (None, "/no/such/compiler"))
    torch._dynamo.reset()
    clip = load_clip(replace(config, compile=True, image_size=40), "cpu")
    with pytest.raises(ConfigError, match="cannot compile this tower.*leave `encoder.compile` out"):
        clip.encode_pixels(synthetic_pictures(1, 40))


def test_openvino_compiles_anyway() -> None:
    with pytest.raises(ConfigError, match="encoder.compile is of the runtime torch"):
        EncoderConfig(compile=True)
