"""The winners' towers by name: their sizes, and how to build one without weights."""

from typing import Any, NamedTuple

from unprompt.index.base.errors import ConfigError
from unprompt.index.base.quiet import without_load_reports
from unprompt.index.towers.blip2 import blank_blip2
from unprompt.inversion.train.towers.blip2 import Blip2Tower
from unprompt.inversion.train.towers.build import cut
from unprompt.inversion.train.towers.tower import Tower


class Published(NamedTuple):
    """An image tower as described by its authors."""

    millions: float  # parameters of the image side
    blocks: int
    image_size: int


# Sizes: docs/model_profile.csv of open_clip, column image_mparams. BLIP-2: ViT-g without its last
# layer (986 M) and the Q-Former (Li et al. 2023 give 188 M with its text embeddings and text
# branch; the image side alone has 105 M).
PUBLISHED = {
    "ViT-L-14": Published(303.97, 24, 224),
    "ViT-L-14-336": Published(304.29, 24, 336),
    "ViT-H-14": Published(632.08, 32, 224),
    "convnext_large_d_320": Published(199.77, 36, 320),
    "convnext_xxlarge": Published(846.54, 40, 256),
    "EVA02-L-14-336": Published(304.43, 24, 336),
    "EVA02-E-14-plus": Published(4350.56, 64, 224),
    "blip2": Published(1091.1, 51, 224),
}


def build_on_meta(name: str) -> Tower:
    """The tower on torch's meta device: every shape, no weight and no memory.

    Raises ConfigError for a name that is not in `PUBLISHED`.
    """
    if name not in PUBLISHED:
        raise ConfigError(f"no published tower {name!r}; known are {', '.join(PUBLISHED)}")
    import open_clip
    import torch

    with without_load_reports(), torch.device("meta"):
        if name == "blip2":
            return Blip2Tower(blank_blip2())
        model: Any = open_clip.create_model(
            name, device="meta", pretrained_image=False, pretrained_text=False
        )
        return cut(getattr(model.visual, "trunk", model.visual))
