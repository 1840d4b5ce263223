"""A row of an index -> its picture as an RGB image, or None where it is not available."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from unprompt.build.renderer import Renderer
from unprompt.index.base.errors import MissingDependencyError, UnpromptError
from unprompt.index.images.pictures import open_picture
from unprompt.index.images.shard_pictures import ImageShards
from unprompt.index.images.shards import read_shard_rows

IMAGES_FOLDER = "images"
SCENES = "scenes"
CACHED_RENDERS = 256
CACHED_SHARDS = 32


class NeighborPictures:
    """Pictures for the rows of a bundle.

    A picture comes from the shards of the run beside the bundle. Without them the scenes renderer
    draws it again from its prompt and seed. Any other row has no picture.
    """

    def __init__(self, bundle: Path) -> None:
        folder = bundle.resolve().parent / IMAGES_FOLDER
        self._folder = folder if folder.is_dir() else None
        self._shards = ImageShards(folder)
        self._image_ids = lru_cache(maxsize=CACHED_SHARDS)(self._read_image_ids)
        self._draw = lru_cache(maxsize=CACHED_RENDERS)(self._render)
        self._renderer: Renderer | None = None

    def picture(self, row: Mapping[str, Any]) -> Image.Image | None:
        """The picture for one row of the index table, as a mapping of column to value."""
        return self._stored(row) or self._drawn(row)

    def _stored(self, row: Mapping[str, Any]) -> Image.Image | None:
        key = str(row["key"])
        if self._folder is None:
            return None
        try:
            # The folder beside a copied bundle may belong to another run with the same keys.
            shard = self._shards.shard_of(key)
            if shard is None or row["image_id"] not in self._image_ids(shard).get(key, ()):
                return None
            return open_picture(self._shards.image(key), key)
        except (UnpromptError, OSError):
            return None

    def _drawn(self, row: Mapping[str, Any]) -> Image.Image | None:
        if not str(row["generator"]).startswith(SCENES):
            return None
        try:
            drawn = self._draw(str(row["prompt"]), int(row["seed"]), str(row["generator"]))
        except MissingDependencyError:
            return None
        return None if drawn is None else Image.fromarray(drawn)

    def _render(self, prompt: str, seed: int, generator: str) -> np.ndarray | None:
        if self._renderer is None:
            from unprompt.build.scenes.renderer import ScenesRenderer

            self._renderer = ScenesRenderer()
        if self._renderer.generator != generator:
            return None  # another version of the renderer draws a different picture
        return self._renderer.draw([prompt], [seed])[0].picture

    def _read_image_ids(self, shard: int) -> dict[str, set[int]]:
        """The image ids of each key: one for each caption."""
        table = read_shard_rows(self._shards.folder, shard)
        found: dict[str, set[int]] = {}
        for key, image_id in table.select("key", "image_id").iter_rows():
            found.setdefault(key, set()).add(image_id)
        return found
