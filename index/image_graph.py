"""A CLIP's image side -> a torch module: uint8 pixels (n, s, s, 3) -> unit vectors (n, d).

`embedding` is the CLIP's own image vector. `features` describes a picture by every scale of its
timm trunk: the pooled output of the last layer, and the mean and the standard deviation of each
channel in the last four stages. The early stages carry what the last one is trained to ignore:
colour, texture, style (Gatys et al. 2016 read style from the same statistics).
"""

import importlib
from typing import Any

from unprompt.index.preprocess import Preprocess

STAGES = 4
# Part of an encoder's identity: another form gives other vectors.
OUTPUT_FORMS = {"embedding": "embedding", "features": f"pooled + statistics of {STAGES} stages"}


def build_image_graph(visual: Any, preprocess: Preprocess, output: str) -> Any:
    """The module in evaluation mode, pixel normalisation included."""
    torch = importlib.import_module("torch")
    normalize = torch.nn.functional.normalize
    module: Any = torch.nn.Module

    class ImageGraph(module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.tower = visual if output == "embedding" else visual.trunk
            self.register_buffer("mean", 255.0 * torch.tensor(preprocess.mean).view(1, 3, 1, 1))
            self.register_buffer("std", 255.0 * torch.tensor(preprocess.std).view(1, 3, 1, 1))

        def forward(self, pixels: Any) -> Any:
            planes = (pixels.permute(0, 3, 1, 2).float() - self.mean) / self.std
            if output == "embedding":
                return normalize(self.tower(planes), dim=-1)
            last, stages = self.tower.forward_intermediates(planes, indices=STAGES)
            parts = [self.tower.forward_head(last, pre_logits=True)]
            for stage in stages:  # (n, channels, h, w)
                spread = stage.var((2, 3), unbiased=False).clamp_min(1e-12).sqrt()
                parts += [stage.mean((2, 3)), spread]
            # each part at unit length, so that none outweighs the others
            return normalize(torch.cat([normalize(part, dim=-1) for part in parts], -1), dim=-1)

    return ImageGraph().eval()
