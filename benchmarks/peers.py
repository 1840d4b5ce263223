"""Pictures to vectors as others do it: an open_clip loop, and clip-retrieval's pipeline.

Both give the tower what open_clip's own transform makes of a picture: normalized pixels in planes,
float32. clip-retrieval's pipeline is rebuilt from the calls it makes: a DataLoader of four workers
that read and transform a picture at a time, and the tower in torch, eager, in float32.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.utils.data
from open_clip.transform import image_transform
from PIL import Image

from unprompt.index.towers.clip import Clip

WORKERS, BATCH = 4, 64


class Pictures(torch.utils.data.Dataset):  # type: ignore[misc]
    """Files, opened and transformed by the item: planes (3, s, s) float32."""

    def __init__(self, paths: list[Path], clip: Clip):
        self._paths = paths
        self._transform = open_clip_transform(clip)

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, place: int) -> Any:
        return self._transform(Image.open(self._paths[place]))


def open_clip_transform(clip: Clip) -> Any:
    """What open_clip does with a picture for this tower."""
    wanted = clip.preprocess
    return image_transform(
        wanted.image_size,
        is_train=False,
        mean=wanted.mean,
        std=wanted.std,
        resize_mode=wanted.resize_mode,
        interpolation=wanted.interpolation,
    )


def plain_loop(clip: Clip, paths: list[Path]) -> np.ndarray:
    """A picture at a time."""
    graph, pictures = clip.image_graph(), Pictures(paths, clip)
    with torch.inference_mode():
        found = [graph.describe(pictures[place][None]) for place in range(len(paths))]
    return torch.cat(found).numpy()


def make_data_loader(clip: Clip, paths: list[Path]) -> Callable[[range], np.ndarray]:
    """Worker processes that read, batches in float32; the workers stay from call to call."""
    places: list[int] = []  # what the loader reads next
    loader = torch.utils.data.DataLoader(
        Pictures(paths, clip),
        BATCH,
        sampler=places,
        num_workers=WORKERS,
        persistent_workers=True,
    )
    graph = clip.image_graph()

    def run(part: range) -> np.ndarray:
        places[:] = part
        with torch.no_grad():
            return torch.cat([graph.describe(planes) for planes in loader]).numpy()

    return run
