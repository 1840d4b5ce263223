"""RGB pictures of any size -> the uint8 batch (n, s, s, 3) that an image tower takes."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from PIL import Image
from pydantic.dataclasses import dataclass

from unprompt.index.settings import STRICT

RESAMPLING = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


@dataclass(frozen=True, config=STRICT)
class Preprocess:
    """The same pixels as open_clip's evaluation transform, without importing torch.

    `shortest` scales the shorter side to `image_size` and crops the centre, `squash` ignores the
    aspect ratio. Mean and std are applied inside the tower.
    """

    image_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"
    resize_mode: Literal["shortest", "squash"] = "shortest"

    def __call__(self, images: Sequence[Image.Image]) -> np.ndarray:
        """RGB images -> uint8 (n, s, s, 3)."""
        return np.stack([self._resize(_crop_strip(image, self.image_size)) for image in images])

    def _resize(self, image: Image.Image) -> np.ndarray:
        size = self.image_size
        resized = (size, size) if self.resize_mode == "squash" else self._shortest(image.size)
        if resized != image.size:
            image = image.resize(resized, RESAMPLING[self.interpolation])
        left = round((resized[0] - size) / 2.0)
        top = round((resized[1] - size) / 2.0)
        return np.asarray(image.crop((left, top, left + size, top + size)), dtype=np.uint8)

    def _shortest(self, image_size: tuple[int, int]) -> tuple[int, int]:
        width, height = image_size
        if width <= height:
            return self.image_size, int(self.image_size * height / width)
        return int(self.image_size * width / height), self.image_size


def _crop_strip(image: Image.Image, ratio: int) -> Image.Image:
    """Cut the far ends off a strip that would otherwise be scaled to gigabytes."""
    width, height = image.size
    longest = min(width, height) * ratio
    if max(width, height) <= longest:
        return image
    left, top = max(0, (width - longest) // 2), max(0, (height - longest) // 2)
    return image.crop((left, top, min(width, left + longest), min(height, top + longest)))
