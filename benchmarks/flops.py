"""Arithmetic per picture of every tower: the lines of build/planning/rates.yaml.

Towers and pipelines are built in their published shapes on torch's meta device: no weights, no
download. GFLOP of a tower's forward pass by input size; TFLOP of a diffusion step (two passes of
the UNet) and of what comes once an image (two prompts, one decoded latent).
"""

import sys
from collections.abc import Callable
from typing import Any

import timm
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch.utils.flop_counter import FlopCounterMode
from transformers import CLIPTextConfig, CLIPTextModel

from unprompt.inversion.train.towers.published import PUBLISHED, build_on_meta

TOWER_SIZES = (224, 256, 320, 336, 384, 448)
LITE = {
    "efficientnet-lite0": "tf_efficientnet_lite0",
    "efficientnet-lite2": "tf_efficientnet_lite2",
}
LITE_SIZES = (96, 128, 224, 260)
SIDES = (512, 768, 1024)
TOKENS = 77
DOWN, UP = ("CrossAttnDownBlock2D",) * 3, ("CrossAttnUpBlock2D",) * 3


def main() -> None:
    for name in PUBLISHED:
        _show(name, {size: _tower(name, size) for size in TOWER_SIZES})
    for name, timm_name in LITE.items():
        with torch.device("meta"):
            model = timm.create_model(timm_name, num_classes=0).eval()
        _show(name, {size: _gflop(lambda m=model, s=size: m(_pixels(s))) for size in LITE_SIZES})
    with torch.device("meta"):
        decoder = _decoder()
        pipelines = {
            "stable-diffusion": (_sd2(), 1024, {}, [_text(1024, 23, 16)]),
            "stable-diffusion-xl": (
                _sdxl(),
                2048,
                {"text_embeds": torch.zeros(1, 1280), "time_ids": torch.zeros(1, 6)},
                [_text(768, 12, 12), _text(1280, 32, 20)],
            ),
        }
    for name, (unet, width, added, texts) in pipelines.items():
        ids = torch.zeros(1, TOKENS, dtype=torch.long, device="meta")
        encoded = 2 * sum(_gflop(lambda m=m, i=ids: m(i)) for m in texts)
        steps, once = {}, {}
        for side in SIDES:
            latent = torch.zeros(1, 4, side // 8, side // 8, device="meta")
            steps[side] = 2 * _gflop(lambda u=unet, z=latent, w=width, a=added: _step(u, z, w, a))
            once[side] = encoded + _gflop(lambda z=latent: decoder.decode(z))
        _show(f"{name} step", {side: value / 1000 for side, value in steps.items()})
        _show(f"{name} once", {side: value / 1000 for side, value in once.items()})


def _show(name: str, values: dict[int, float]) -> None:
    shown = ", ".join(f"{size}: {value:.4f}" for size, value in values.items())
    sys.stdout.write(f"{name}: {{{shown}}}\n")
    sys.stdout.flush()


def _tower(name: str, size: int) -> float:
    tower = build_on_meta(name)
    if size != PUBLISHED[name].image_size:
        tower.resize(size)
    # training mode and gradients: the counter does not see the fused attention of evaluation, nor
    # the Q-Former without them
    tower.train().requires_grad_(True)
    return _gflop(lambda: tower(_pixels(size)))


def _pixels(size: int) -> torch.Tensor:
    return torch.zeros(1, 3, size, size, device="meta", requires_grad=True)


def _gflop(work: Callable[[], Any]) -> float:
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() / 1e9


def _step(unet: Any, latent: torch.Tensor, width: int, added: dict[str, torch.Tensor]) -> Any:
    text = torch.zeros(1, TOKENS, width, device="meta")
    time = torch.zeros(1, device="meta")
    return unet(latent, time, text, added_cond_kwargs=added)


def _sd2() -> Any:
    return UNet2DConditionModel(
        sample_size=64, block_out_channels=(320, 640, 1280, 1280), cross_attention_dim=1024,
        attention_head_dim=(5, 10, 20, 20), use_linear_projection=True,
        down_block_types=(*DOWN, "DownBlock2D"), up_block_types=("UpBlock2D", *UP),
    )  # fmt: skip


def _sdxl() -> Any:
    return UNet2DConditionModel(
        sample_size=128, block_out_channels=(320, 640, 1280), cross_attention_dim=2048,
        attention_head_dim=(5, 10, 20), transformer_layers_per_block=(1, 2, 10),
        use_linear_projection=True, addition_embed_type="text_time",
        addition_time_embed_dim=256, projection_class_embeddings_input_dim=2816,
        down_block_types=("DownBlock2D", *DOWN[:2]), up_block_types=(*UP[:2], "UpBlock2D"),
    )  # fmt: skip


def _decoder() -> Any:
    return AutoencoderKL(
        block_out_channels=(128, 256, 512, 512), layers_per_block=2, latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
    )  # fmt: skip


def _text(width: int, layers: int, heads: int) -> Any:
    return CLIPTextModel(
        CLIPTextConfig(
            hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers,
            num_attention_heads=heads,
        )
    )  # fmt: skip


if __name__ == "__main__":
    main()
