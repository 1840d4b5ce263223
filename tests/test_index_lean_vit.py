"""Towers with less work for a processor: the vectors of the tower that they were made from."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_towers import SIZE, make_tower, save_clip

from unprompt.index.encoders.preprocess import Preprocess
from unprompt.index.encoders.protocols import EncoderConfig
from unprompt.index.exported.export import export_encoder, load_encoder
from unprompt.index.runtime.compiled import load_core
from unprompt.index.runtime.openvino_graph import GRAPH
from unprompt.index.runtime.self_check import synthetic_pictures
from unprompt.index.towers.clip import load_clip
from unprompt.index.towers.image_graph import build_image_graph
from unprompt.index.towers.lean_vit import PIECE, lean_graph

PREPROCESS = Preprocess(SIZE, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "bicubic", "shortest")
WIDE = 3 * PIECE - 8  # pieces of two sizes


def open_clip_vit(**options: Any) -> Any:
    from open_clip.transformer import VisionTransformer

    tower = VisionTransformer(SIZE, 8, 32, 3, 2, WIDE / 32, output_dim=24, **options)
    return tower.eval()


def timm_vit() -> Any:
    import timm

    size = {"img_size": SIZE, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2}
    return timm.create_model("vit_tiny_patch16_224", num_classes=0, mlp_ratio=WIDE / 32, **size)


def outputs(graph: Any) -> np.ndarray:
    with torch.inference_mode():
        found: np.ndarray = graph(torch.from_numpy(synthetic_pictures(3, SIZE))).numpy()
    return found


def kinds(module: Any) -> Counter[str]:
    return Counter(type(part).__name__ for part in module.modules())


@pytest.mark.parametrize(
    ("make", "pieces", "patches", "last"),
    [
        (open_clip_vit, 3, 1, 1),
        (lambda: open_clip_vit(ls_init_value=0.7), 3, 1, 1),
        (lambda: open_clip_vit(final_ln_after_pool=True), 3, 1, 1),
        (lambda: open_clip_vit(pool_type="avg"), 3, 1, 0),
        (lambda: open_clip_vit(attentional_pool=True), 3, 1, 0),
        (lambda: open_clip_vit(qk_norm=True), 3, 1, 0),
        (timm_vit, 2, 1, 0),
    ],
    ids=["plain", "layer scale", "norm after pool", "mean", "attention pool", "own block", "timm"],
)
def test_the_same_vectors(make: Callable[[], Any], pieces: int, patches: int, last: int) -> None:
    torch.manual_seed(0)
    graph = build_image_graph(make(), PREPROCESS, "embedding")
    before = kinds(graph)
    lean = lean_graph(graph)
    found = kinds(lean)
    assert found["MlpInPieces"] == pieces
    assert found["PatchMatrix"] == patches
    assert found["ClassTokenBlock"] == last
    np.testing.assert_allclose(outputs(lean), outputs(graph), atol=2e-6)
    assert kinds(graph) == before, "the tower itself stays as it was"


@pytest.mark.parametrize("family", ["convnext", "efficientnet", "eva"])
def test_other_towers_keep_their_parts(family: str, tmp_path: Path) -> None:
    trunk = make_tower(family, tmp_path).trunk
    lean = lean_graph(build_image_graph(trunk, PREPROCESS, "embedding"))
    assert kinds(lean.tower)["PatchMatrix"] == (family == "eva")
    assert kinds(lean.tower)["MlpInPieces"] == 0, "nothing is wide enough here"


@pytest.mark.slow
def test_an_exported_tower_is_lean(tmp_path: Path) -> None:
    folder = save_clip(tmp_path / "clip", mlp_ratio=WIDE / 32)
    config = EncoderConfig(f"local-dir:{folder}", output="embedding", precision="f32")
    export_encoder(config, tmp_path / "tower")
    pictures = synthetic_pictures(3, SIZE)
    wanted = load_clip(config, "cpu").encode_pixels(pictures)
    found = load_encoder(tmp_path / "tower").encode_pixels(pictures)
    np.testing.assert_allclose(found, wanted, atol=2e-4)  # weights are kept as float16
    graph = load_core().read_model(tmp_path / "tower" / GRAPH)
    names = Counter(operation.get_type_name() for operation in graph.get_ordered_ops())
    layers = json.loads((folder / "open_clip_config.json").read_text())["model_cfg"]["vision_cfg"]
    assert names["Gelu"] == 3 * layers["layers"]
    assert not {"Convolution", "VariadicSplit"} & names.keys(), "pieces are constants of their own"
