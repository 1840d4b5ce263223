"""Augmentation presets: uint8 (s, s, 3) and a seed -> uint8 (s, s, 3). The one user of torchvision.

The prompt must still describe the picture. So crops are mild, colors are never inverted, and flips
are off by default (prompts mention left and right).
"""

from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torchvision.transforms import v2

from unprompt.inversion.train.data.pictures import Augment

INVERTING = ("Solarize", "Posterize", "Equalize")


class MildRandAugment(v2.RandAugment):
    """RandAugment (Cubuk et al. 2020) without the operations that change colors."""

    _AUGMENTATION_SPACE: ClassVar[dict[str, Any]] = {
        name: entry
        for name, entry in v2.RandAugment._AUGMENTATION_SPACE.items()
        if name not in INVERTING
    }


def augment(
    kind: Literal["none", "light", "randaugment"], horizontal_flip: bool, image_size: int
) -> Augment | None:
    """The function of a preset, or None if it changes nothing. It is deterministic by seed."""
    steps: list[Any] = []
    if kind != "none":
        steps.append(
            v2.RandomResizedCrop(image_size, scale=(0.8, 1.0), ratio=(0.9, 1.1), antialias=True)
        )
    if kind == "light":
        steps.append(v2.ColorJitter(brightness=0.1, contrast=0.1))
    if kind == "randaugment":
        steps.append(MildRandAugment(num_ops=2, magnitude=7))
    if horizontal_flip:
        steps.append(v2.RandomHorizontalFlip())
    if not steps:
        return None
    change = v2.Compose(steps)

    def run(pixels: np.ndarray, seed: int) -> np.ndarray:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            planes = change(torch.from_numpy(pixels.copy()).permute(2, 0, 1))
        return planes.permute(1, 2, 0).contiguous().numpy()

    return run
