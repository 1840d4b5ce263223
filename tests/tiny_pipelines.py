"""Tiny text-to-image pipelines with random weights, saved as diffusers saves real ones.

Libraries are imported where they are used: collecting the tests loads none of them.
"""

import json
import string
from pathlib import Path
from typing import Any

SIDE_PX = 32  # three levels of the VAE over a latent of 8 x 8
WIDTH = 16
GROUPS = {"norm_num_groups": 8}
NOISE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
MERGES = ("f o", "fo x</w>", "o w", "ow l</w>", "t h", "th e</w>")
MARKS = ("<|startoftext|>", "<|endoftext|>")
MAX_TOKENS = 77


def tokenizer(folder: Path) -> Any:
    """CLIP's own kind, with letters and a few merges for a vocabulary."""
    from transformers import CLIPTokenizer

    letters = [*string.ascii_lowercase, *string.digits, *",.-'"]
    words = [*letters, *(f"{letter}</w>" for letter in letters)]
    words += [merge.replace(" ", "") for merge in MERGES]
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary, merges = folder / "vocab.json", folder / "merges.txt"
    vocabulary.write_text(json.dumps({word: n for n, word in enumerate([*words, *MARKS])}))
    merges.write_text("\n".join(["#version: 0.2", *MERGES, ""]))
    return CLIPTokenizer(str(vocabulary), str(merges), model_max_length=MAX_TOKENS)


def text_encoder(kind: Any, words: Any) -> Any:
    from transformers import CLIPTextConfig

    config = CLIPTextConfig(
        vocab_size=len(words), hidden_size=WIDTH, intermediate_size=32, num_hidden_layers=2,
        num_attention_heads=2, max_position_embeddings=MAX_TOKENS, projection_dim=WIDTH,
        bos_token_id=words.bos_token_id, eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )  # fmt: skip
    return kind(config)


def unet(context: int, **options: Any) -> Any:
    from diffusers import UNet2DConditionModel

    made = UNet2DConditionModel(
        sample_size=SIDE_PX // 4, block_out_channels=(16, 32), layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=context, attention_head_dim=4, **GROUPS, **options,
    )  # fmt: skip
    for name, weights in made.named_parameters():
        if "attn2.to_out" in name:  # else the words would hardly show in the picture
            weights.data.mul_(10)
    return made


def vae() -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(16, 32, 32), down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3, sample_size=SIDE_PX, **GROUPS,
    )  # fmt: skip


def safety_checker() -> Any:
    """Finds something in every picture: all its thresholds lie below any cosine."""
    from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker
    from transformers import CLIPConfig

    tower = {
        "hidden_size": WIDTH, "intermediate_size": 32, "num_hidden_layers": 1,
        "num_attention_heads": 2, "projection_dim": WIDTH,
    }  # fmt: skip
    vision = {**tower, "image_size": SIDE_PX, "patch_size": 8}
    config = CLIPConfig(text_config=tower, vision_config=vision, projection_dim=WIDTH)
    checker = StableDiffusionSafetyChecker(config)
    checker.concept_embeds_weights.data.fill_(-2.0)
    checker.special_care_embeds_weights.data.fill_(-2.0)
    return checker


def save_sd(folder: Path, seed: int = 0, checked: bool = False) -> Path:
    """A StableDiffusionPipeline with PNDM; `checked` adds a safety checker that blanks all."""
    import torch
    from diffusers import PNDMScheduler, StableDiffusionPipeline
    from transformers import CLIPImageProcessor, CLIPTextModel

    torch.manual_seed(seed)
    words = tokenizer(folder / "tokenizer")
    pictures = {"height": SIDE_PX, "width": SIDE_PX}
    pipeline = StableDiffusionPipeline(
        vae=vae(),
        text_encoder=text_encoder(CLIPTextModel, words),
        tokenizer=words,
        unet=unet(WIDTH),
        scheduler=PNDMScheduler(skip_prk_steps=True, steps_offset=1, **NOISE),
        safety_checker=safety_checker() if checked else None,
        feature_extractor=CLIPImageProcessor(size=pictures, crop_size=pictures),
        requires_safety_checker=checked,
    )
    pipeline.save_pretrained(folder)
    return folder


def save_sdxl(folder: Path) -> Path:
    """A StableDiffusionXLPipeline with both of its text encoders and DDIM."""
    import torch
    from diffusers import DDIMScheduler, StableDiffusionXLPipeline
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    torch.manual_seed(1)
    words = tokenizer(folder / "tokenizer")
    pipeline = StableDiffusionXLPipeline(
        vae=vae(),
        text_encoder=text_encoder(CLIPTextModel, words),
        text_encoder_2=text_encoder(CLIPTextModelWithProjection, words),
        tokenizer=words,
        tokenizer_2=tokenizer(folder / "tokenizer_2"),
        unet=unet(
            2 * WIDTH, addition_embed_type="text_time", addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=WIDTH + 6 * 8,
            transformer_layers_per_block=(1, 1),
        ),
        scheduler=DDIMScheduler(steps_offset=1, **NOISE),
    )  # fmt: skip
    pipeline.save_pretrained(folder)
    return folder
