"""Thing -> its drawing, cropped to its visible part: RGBA uint8 (h, w, 4), cached per process."""

import io
from collections import OrderedDict

import numpy as np
from PIL import Image

from unprompt.build.scenes.scene import Thing
from unprompt.build.scenes.words.colours import recolour
from unprompt.build.scenes.words.vocabulary import INSTALL_HINT
from unprompt.index.base.errors import MissingDependencyError

# About 10 KB of PNG per drawing: all objects take about 12 MB.
MAX_CACHED_BYTES = 64 * 2**20
FAINT_ALPHA = 24


class SpriteSheet:
    """Draws objects at one size; caches them as PNG bytes, least recently used dropped first."""

    def __init__(self, drawing_px: int) -> None:
        try:
            import resvg_py
        except ImportError as error:
            raise MissingDependencyError(
                f"the scenes renderer needs resvg-py and it is not installed; {INSTALL_HINT}"
            ) from error
        self._svg_to_bytes = resvg_py.svg_to_bytes
        self._drawing_px = drawing_px
        self._cache: OrderedDict[str, bytes] = OrderedDict()
        self._cached_bytes = 0

    def draw(self, thing: Thing) -> np.ndarray:
        """RGBA uint8 (h, w, 4) of one copy of `thing` in its colour; longest side = drawing_px."""
        with Image.open(io.BytesIO(self._rasterise(thing))) as picture:
            drawing = np.array(picture.convert("RGBA"))
        if thing.colour:
            drawing[..., :3] = recolour(drawing[..., :3], drawing[..., 3], thing.colour)
        return drawing

    def _rasterise(self, thing: Thing) -> bytes:
        key = str(thing.object.svg_path)
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        png = self._svg_to_bytes(
            svg_path=key, width=self._drawing_px, height=self._drawing_px, skip_system_fonts=True
        )
        cropped = _crop_to_ink(png)
        self._cache[key] = cropped
        self._cached_bytes += len(cropped)
        while self._cached_bytes > MAX_CACHED_BYTES:
            _, dropped = self._cache.popitem(last=False)
            self._cached_bytes -= len(dropped)
        return cropped


def _crop_to_ink(png: bytes) -> bytes:
    with Image.open(io.BytesIO(png)) as picture:
        drawing = picture.convert("RGBA")
    ink = drawing.getchannel("A").point(lambda alpha: 255 if alpha > FAINT_ALPHA else 0)
    buffer = io.BytesIO()
    drawing.crop(ink.getbbox()).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
