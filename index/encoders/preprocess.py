"""RGB pictures of any size -> a uint8 batch (n, s, s, 3) for an image tower."""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from PIL import Image
from pydantic.dataclasses import dataclass

from unprompt.index.base.errors import ConfigError
from unprompt.index.base.settings import STRICT

MAX_SIDE = 2048  # pixels
RESAMPLING = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


@dataclass(frozen=True, config=STRICT)
class Preprocess:
    """The same pixels as open_clip's evaluation transform, without importing torch.

    `shortest` scales the shorter side to `image_size` and crops the center. `squash` ignores the
    aspect ratio. The tower itself applies mean and std.
    """

    image_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"
    resize_mode: Literal["shortest", "squash"] = "shortest"

    def __post_init__(self) -> None:
        numbers = (*self.mean, *self.std)
        if not 1 <= self.image_size <= MAX_SIDE or not all(map(math.isfinite, numbers)):
            raise ConfigError(
                f"preprocessing needs an image_size from 1 to {MAX_SIDE} and finite means, got "
                f"{self.image_size}, {self.mean} and {self.std}"
            )
        if min(self.std) <= 0:
            raise ConfigError(f"preprocessing needs standard deviations over 0, got {self.std}")

    def __call__(self, images: Sequence[Image.Image]) -> np.ndarray:
        """RGB images -> uint8 (n, s, s, 3)."""
        return np.stack([self._resize(_crop_strip(image, self.image_size)) for image in images])

    def scaled(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """Width and height of a picture of `image_size` (width, height) before it is cropped."""
        width, height = image_size
        size = self.image_size
        if self.resize_mode == "squash":
            return size, size
        if width <= height:
            return size, int(size * height / width)
        return int(size * width / height), size

    def corner(self, scaled: tuple[int, int]) -> tuple[int, int]:
        """Left and top of the square crop of a scaled picture."""
        left, top = (round((side - self.image_size) / 2.0) for side in scaled)
        return left, top

    def _resize(self, image: Image.Image) -> np.ndarray:
        size, resized = self.image_size, self.scaled(image.size)
        if resized != image.size:
            image = image.resize(resized, RESAMPLING[self.interpolation])
        left, top = self.corner(resized)
        return np.asarray(image.crop((left, top, left + size, top + size)), dtype=np.uint8)


def is_strip(image_size: tuple[int, int], ratio: int) -> bool:
    """Whether a picture is so long and narrow that scaling would need gigabytes."""
    return max(image_size) > min(image_size) * ratio


def _crop_strip(image: Image.Image, ratio: int) -> Image.Image:
    """Crop the ends of a strip, which the square crop drops anyway."""
    if not is_strip(image.size, ratio):
        return image
    width, height = image.size
    longest = min(width, height) * ratio
    left, top = max(0, (width - longest) // 2), max(0, (height - longest) // 2)
    return image.crop((left, top, min(width, left + longest), min(height, top + longest)))
