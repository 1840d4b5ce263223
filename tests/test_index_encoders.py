"""Towers: pixels as open_clip makes them, names and weights, and spaces that tell towers apart."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from unprompt.index.base.errors import ConfigError
from unprompt.index.encoders.preprocess import Preprocess
from unprompt.index.encoders.protocols import EncoderConfig
from unprompt.index.prompt_encoders.minilm import load_prompt_encoder
from unprompt.index.towers.clip import Clip, load_clip
from unprompt.index.towers.clip_text import ClipTextEncoder

# the pooled output, and mean and deviation of the channels of the last four stages
LITE0_FEATURES = 1280 + 2 * (24 + 40 + 112 + 320)

SIZES = [(37, 91), (64, 64), (65, 64), (500, 333), (1, 1), (3, 150), (640, 41), (63, 65)]
VIT = {
    "embed_dim": 16,
    "vision_cfg": {
        "image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8,
    },
    "text_cfg": {
        "context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2,
    },
}  # fmt: skip
CASTLE = "a castle on a hill"


def noise(size: tuple[int, int]) -> Image.Image:
    pixels = np.random.default_rng(size).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def open_clip_pixels(image: Image.Image, plain: tuple[Any, ...]) -> np.ndarray:
    """What open_clip's own evaluation transform makes of a picture, as uint8 (s, s, 3)."""
    from open_clip.transform import PreprocessCfg, image_transform_v2

    planes = image_transform_v2(PreprocessCfg(64, "RGB", *plain), is_train=False)(image)
    return (planes.permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("resize_mode", ["shortest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_preprocess_is_open_clips_pixel_for_pixel(
    size: tuple[int, int], resize_mode: str, interpolation: str
) -> None:
    plain = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), interpolation, resize_mode)
    image = noise(size)
    (found,) = Preprocess(64, *plain)([image])  # type: ignore[arg-type]
    np.testing.assert_array_equal(found, open_clip_pixels(image, plain))


def test_preprocess_of_a_batch_is_that_of_each() -> None:
    preprocess = Preprocess(32, (0.5,) * 3, (0.5,) * 3)  # type: ignore[arg-type]
    images = [noise(size) for size in SIZES]
    together = preprocess(images)
    assert together.shape == (len(SIZES), 32, 32, 3) and together.dtype == np.uint8
    for row, image in zip(together, images, strict=True):
        np.testing.assert_array_equal(row, preprocess([image])[0])


def test_an_endless_strip_is_cut_not_blown_up() -> None:
    """1 x 100000 pixels scaled to a width of 32 would be 3.2 million lines."""
    preprocess = Preprocess(32, (0.5,) * 3, (0.5,) * 3)  # type: ignore[arg-type]
    for size in ((1, 100_000), (100_000, 1)):
        assert preprocess([Image.new("RGB", size, "red")]).shape == (1, 32, 32, 3)


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., EncoderConfig]:
    """A real open_clip ViT of two layers with random weights in a checkpoint file."""
    import open_clip

    folder = tmp_path_factory.mktemp("vit")
    for name, config in (("tiny-vit", VIT), ("tiny-vit-other", {**VIT, "embed_dim": 8})):
        (folder / f"{name}.json").write_text(json.dumps(config))
        open_clip.add_model_config(folder / f"{name}.json")
        torch.manual_seed(3)
        model = open_clip.create_model(name)
        torch.save(model.state_dict(), folder / f"{name}.pt")

    def config(name: str = "tiny-vit", **settings: object) -> EncoderConfig:
        fields = {"pretrained": str(folder / f"{name}.pt"), "output": "embedding", **settings}
        return EncoderConfig(model=name, **fields)  # type: ignore[arg-type]

    return config


def test_a_named_model_is_open_clips_own(vit: Callable[..., EncoderConfig]) -> None:
    """The whole of our path against create_model_and_transforms and encode_image."""
    import open_clip

    config = vit(batch_size=2)
    clip = load_clip(config, device="cpu")
    model, _, transform = open_clip.create_model_and_transforms(
        "tiny-vit", pretrained=config.pretrained
    )
    images = [noise(size) for size in ((40, 50), (32, 32), (90, 33))]
    with torch.inference_mode():
        planes = torch.stack([transform(image) for image in images])
        wanted = model.eval().encode_image(planes, normalize=True).numpy()
        tokens = open_clip.get_tokenizer("tiny-vit")(["a red fox", CASTLE])
        wanted_texts = model.encode_text(tokens, normalize=True).numpy()
    found = clip.encode(images)
    assert found.shape == (3, clip.dim) == (3, 16) and found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    texts = ClipTextEncoder(clip)
    assert (texts.space, texts.dim) == (clip.space, 16)
    np.testing.assert_allclose(texts.encode(["a red fox", CASTLE]), wanted_texts, atol=1e-5)
    assert clip.encode([]).shape == texts.encode([]).shape == (0, 16)


def test_spaces_tell_towers_apart(vit: Callable[..., EncoderConfig]) -> None:
    space = load_clip(vit(), "cpu").space
    assert space == load_clip(vit(batch_size=7), "cpu").space, "how it runs does not matter"
    others = [load_clip(config, "cpu") for config in (vit("tiny-vit-other"), vit(image_size=48))]
    assert len({space, *(clip.space for clip in others)}) == 3
    assert others[1].preprocess.image_size == 48
    assert others[1].encode([noise((20, 20))]).shape == (1, 16), "positions are interpolated"


def test_weights_that_differ_by_one_number(
    vit: Callable[..., EncoderConfig], tmp_path: Path
) -> None:
    state = torch.load(vit().pretrained, weights_only=True)
    state["visual.proj"][0, 0] += 1e-3
    torch.save(state, tmp_path / "changed.pt")
    changed = load_clip(vit(pretrained=str(tmp_path / "changed.pt")), "cpu")
    assert changed.space != load_clip(vit(), "cpu").space


@pytest.mark.parametrize(
    "settings,fault",
    [
        ({"model": "no-such-model"}, "unknown encoder.model 'no-such-model'.*efficientnet-lite2"),
        ({"model": "ViT-B-32"}, "ViT-B-32 needs `encoder.pretrained`"),
        ({"model": "ViT-B-32", "pretrained": "/no/such.pt"}, "cannot load ViT-B-32"),
        ({"model": "hf-hub:no-such-org/no-such-model"}, "cannot load hf-hub:.*Without a network"),
    ],
)
def test_models_that_cannot_be_loaded(settings: dict[str, str], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        load_clip(EncoderConfig(output="embedding", **settings), "cpu")  # type: ignore[arg-type]


def test_a_broken_checkpoint_is_an_error_that_helps(
    vit: Callable[..., EncoderConfig], tmp_path: Path
) -> None:
    path = tmp_path / "broken.pt"
    path.write_bytes(Path(str(vit().pretrained)).read_bytes()[:5000])
    with pytest.raises(ConfigError, match="cannot load tiny-vit"):
        load_clip(vit(pretrained=str(path)), "cpu")


def test_features_need_a_trunk(vit: Callable[..., EncoderConfig]) -> None:
    with pytest.raises(ConfigError, match="no timm trunk.*encoder.output: embedding"):
        load_clip(vit(output="features"), "cpu")


@pytest.fixture(scope="module")
def offline() -> Clip:
    return load_clip(EncoderConfig(model="efficientnet-lite0", output="embedding"), "cpu")


def test_the_offline_towers_texts_are_the_target_vectors(offline: Clip) -> None:
    texts = ["a red fox in the snow", CASTLE, "watercolor of three owls, soft light, 4k"]
    wanted = load_prompt_encoder().encode(texts)
    found = ClipTextEncoder(offline).encode(texts)
    assert found.shape == wanted.shape == (3, 384)
    assert np.einsum("nd,nd->n", found, wanted).min() >= 0.9999


def test_the_offline_tower_is_the_same_every_time(offline: Clip) -> None:
    again = load_clip(offline.config, "cpu")
    features = load_clip(EncoderConfig(model="efficientnet-lite0"), "cpu")
    assert again.space == offline.space != features.space
    assert (offline.dim, features.dim) == (384, LITE0_FEATURES)
    with pytest.raises(ConfigError, match="text keys need the joint space.*'features'"):
        ClipTextEncoder(features)


def test_imagenet_weights_are_really_loaded(
    tiny_pictures: list[Image.Image], offline: Clip
) -> None:
    """Features of trained weights tell pictures apart; those of random ones hardly do."""
    trained = load_clip(EncoderConfig(model="efficientnet-lite0"), "cpu")
    vectors = trained.encode(tiny_pictures[:8])
    cosines = vectors @ vectors.T
    assert cosines[~np.eye(8, dtype=bool)].mean() < 0.9
    flipped = trained.encode(
        [p.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for p in tiny_pictures[:8]]
    )
    own = np.einsum("nd,nd->n", vectors, flipped)
    assert (own > cosines.mean(axis=1)).all(), "a mirrored picture stays near itself"
