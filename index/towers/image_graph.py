"""A CLIP's image side -> a torch module: uint8 pixels (n, s, s, 3) -> unit vectors (n, d).

The setting `encoder.output` selects the vector:

- `embedding`: the image vector of the CLIP.
- `pooled`: the output of the last layer of the timm trunk, which a classifier reads.
- `features`: all scales of the timm trunk. These are the pooled output of the last layer, and the
  mean and standard deviation of each channel in the last four stages. The early stages carry
  information that the last one is trained to ignore: color, texture, style (Gatys et al. 2016 read
  style from the same statistics).
- `prediction`: the output of a trained head, a vector in the space of the prompts. The head reads
  the features, the image vector (for open_clip's own ViT and BLIP-2, which have no timm trunk), or
  the tokens (for a Q-Former head).
"""

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from unprompt.index.encoders.preprocess import Preprocess
from unprompt.index.towers.features import STAGES, channel_statistics, join_features
from unprompt.index.towers.qformer import is_qformer, load_qformer


def build_image_graph(
    visual: Any,
    preprocess: Preprocess,
    output: str,
    head: Mapping[str, np.ndarray] | None = None,
) -> Any:
    """Build the module, in evaluation mode and with normalization of pixels.

    `head` holds the tensors of a trained head, for `prediction`.
    """
    torch = importlib.import_module("torch")
    normalize = torch.nn.functional.normalize
    module: Any = torch.nn.Module
    joint = output == "embedding" or not hasattr(visual, "trunk")
    reader = load_qformer(head) if head is not None and is_qformer(head) else None
    matrices = {} if reader is not None else head or {}

    class ImageGraph(module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.tower = visual if joint else visual.trunk
            self.register_buffer("mean", 255.0 * torch.tensor(preprocess.mean).view(1, 3, 1, 1))
            self.register_buffer("std", 255.0 * torch.tensor(preprocess.std).view(1, 3, 1, 1))
            self.dtype = next(self.tower.parameters()).dtype  # everything but the tower is float32
            self.reader = reader  # registered, so that it moves to the device
            for name, matrix in matrices.items():
                self.register_buffer(name, torch.from_numpy(matrix))

        def forward(self, pixels: Any) -> Any:
            planes = (pixels.permute(0, 3, 1, 2).float() - self.mean) / self.std
            return self.describe(planes)

        def describe(self, planes: Any) -> Any:
            """Normalized pixels (n, 3, s, s) -> unit vectors (n, d)."""
            planes = planes.to(self.dtype)
            if reader is not None:
                return normalize(reader(image_tokens(self.tower, planes).float()), dim=-1)
            if joint:
                features = normalize(self.tower(planes).float(), dim=-1)
                return features if head is None else normalize(self._regress(features), dim=-1)
            if output == "pooled":
                last = self.tower.forward_features(planes)
                return normalize(self.tower.forward_head(last, pre_logits=True).float(), dim=-1)
            last, stages = self.tower.forward_intermediates(planes, indices=STAGES)
            parts = [self.tower.forward_head(last, pre_logits=True).float()]
            for stage in stages:
                parts += channel_statistics(stage.float()).split(stage.shape[1], dim=1)
            features = join_features(parts)
            return features if head is None else normalize(self._regress(features), dim=-1)

        def _regress(self, features: Any) -> Any:
            if "weight_1" in matrices:
                features = torch.relu(features @ self.weight_1 + self.bias_1)
            return features @ self.weight_2 + self.bias_2

    return ImageGraph().eval()


def image_tokens(tower: Any, planes: Any) -> Any:
    """The tokens for a Q-Former: normalized pixels (n, 3, s, s) -> tokens (n, t, d_token).

    They are the query vectors of a BLIP-2, the last normalized tokens of a ViT, or the positions of
    a CNN's last activation.
    """
    if hasattr(tower, "queries"):
        return tower.queries(planes)
    if hasattr(tower, "forward_features"):  # of timm
        found = tower.forward_features(planes)
        return found.flatten(2).transpose(1, 2) if found.ndim == 4 else found
    return tower.ln_post(tower.transformer(tower._embeds(planes)))
