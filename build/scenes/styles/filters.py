"""FILTERS: the name of a style -> its filter, (Picture, generator) -> RGB float32 (s, s, 3)."""

from collections.abc import Callable

import numpy as np

from unprompt.build.scenes.picture import Picture
from unprompt.build.scenes.styles import graphic, painted, tiled

StyleFilter = Callable[[Picture, np.random.Generator], np.ndarray]

FILTERS: dict[str, StyleFilter] = {
    "flat vector": graphic.print_flat,
    "watercolor": painted.paint_watercolor,
    "oil painting": painted.paint_oil,
    "pencil sketch": painted.paint_pencil,
    "pixel art": graphic.print_pixels,
    "black and white photo": graphic.print_photo,
    "neon": graphic.print_neon,
    "vintage poster": graphic.print_poster,
    "blurry dream": graphic.print_dream,
    "stained glass": tiled.paint_stained_glass,
    "comic book": graphic.print_comic,
    "chalk drawing": painted.paint_chalk,
    "mosaic": tiled.paint_mosaic,
    "cross-stitch": tiled.paint_cross_stitch,
}
# Styles that draw objects as flat shapes, without shading and soft shadows.
UNSHADED = frozenset(("flat vector",))
