"""Tiny towers of every family, random weights, for the tests of training.

Libraries of models are imported where they are used: collecting the tests loads none of them.
"""

import json
from pathlib import Path
from typing import Any

import torch

from unprompt.index.towers.blip2 import load_blip2
from unprompt.inversion.train.towers.blip2 import Blip2Tower
from unprompt.inversion.train.towers.build import cut
from unprompt.inversion.train.towers.tower import Tower

SIZE = 32
VIT = {"img_size": SIZE, "patch_size": 8, "embed_dim": 32, "depth": 5, "num_heads": 2}


def tiny_timm(name: str, **options: Any) -> Tower:
    import timm

    return cut(timm.create_model(name, num_classes=0, **options))


def clip_vit() -> Tower:
    from open_clip.transformer import VisionTransformer

    return cut(VisionTransformer(SIZE, 8, 32, 5, 2, 2.0, output_dim=24))


def timm_vit() -> Tower:
    return tiny_timm("vit_tiny_patch16_224", **VIT)


def eva() -> Tower:
    return tiny_timm("eva02_tiny_patch14_224", **VIT)


def eva_fused() -> Tower:
    """EVA02-E's way: one layer for query, key and value."""
    return tiny_timm("eva02_enormous_patch14_clip_224", **{**VIT, "mlp_ratio": 2.0})


def convnext() -> Tower:
    return tiny_timm("convnext_atto", depths=(1, 1, 2, 1), dims=(8, 12, 16, 24))


def efficientnet() -> Tower:
    return tiny_timm("tf_efficientnet_lite0")


def save_blip2(folder: Path, text_branch: bool = False) -> Path:
    """A tiny BLIP-2, language model and all, in the full model's format."""
    from transformers import Blip2Config
    from transformers.models.blip_2.modeling_blip_2 import Blip2Model

    config = Blip2Config(
        vision_config={
            "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 3,
            "num_attention_heads": 2, "image_size": SIZE, "patch_size": 8,
        },
        qformer_config={
            "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
            "num_attention_heads": 2, "encoder_hidden_size": 16, "vocab_size": 50,
            "use_qformer_text_input": text_branch,
        },
        text_config={
            "model_type": "opt", "hidden_size": 16, "num_hidden_layers": 1, "ffn_dim": 32,
            "num_attention_heads": 2, "vocab_size": 50, "word_embed_proj_dim": 16,
            "max_position_embeddings": 32,
        },
        num_query_tokens=4,
    )  # fmt: skip
    torch.manual_seed(1)
    model = Blip2Model(config)
    for parameter in model.parameters():
        if parameter.ndim > 1:  # the library's own start is almost zero
            torch.nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(folder)
    return folder


def blip2(folder: Path) -> Tower:
    return Blip2Tower(load_blip2(str(save_blip2(folder)))[0])


FAMILIES = {
    "clip_vit": clip_vit,
    "timm_vit": timm_vit,
    "eva": eva,
    "eva_fused": eva_fused,
    "convnext": convnext,
    "efficientnet": efficientnet,
}


def make_tower(family: str, folder: Path) -> Tower:
    torch.manual_seed(0)
    tower = blip2(folder) if family == "blip2" else FAMILIES[family]()
    return tower.eval()


def save_clip(folder: Path, seed: int = 0, **vision: Any) -> Path:
    """A tiny open_clip CLIP with random weights as a `local-dir:` folder."""
    from open_clip.model import CLIP
    from safetensors.torch import save_file

    config = {
        "embed_dim": 24,
        "vision_cfg": {
            "image_size": SIZE,
            "layers": 5,
            "width": 32,
            "head_width": 16,
            "patch_size": 8,
            **vision,
        },
        "text_cfg": {
            "context_length": 77,
            "vocab_size": 49408,
            "width": 16,
            "heads": 2,
            "layers": 1,
        },
    }
    pixels = {
        "mean": [0.5] * 3,
        "std": [0.5] * 3,
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    }
    torch.manual_seed(seed)
    model = CLIP(**config)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    content = {
        "model_cfg": config,
        "preprocess_cfg": {"size": [SIZE, SIZE], "mode": "RGB", **pixels},
    }
    (folder / "open_clip_config.json").write_text(json.dumps(content))
    return folder
