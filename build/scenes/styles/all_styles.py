"""A style's name -> how it changes a picture: (Picture, generator) -> RGB float32 (s, s, 3)."""

from collections.abc import Callable

import numpy as np

from unprompt.build.scenes.picture import Picture
from unprompt.build.scenes.styles import graphic as graphic_styles
from unprompt.build.scenes.styles import painted as painted_styles
from unprompt.build.scenes.styles import tiled as tiled_styles

StyleFilter = Callable[[Picture, np.random.Generator], np.ndarray]

FILTERS: dict[str, StyleFilter] = {
    "flat vector": graphic_styles.print_flat,
    "watercolor": painted_styles.paint_watercolor,
    "oil painting": painted_styles.paint_oil,
    "pencil sketch": painted_styles.paint_pencil,
    "pixel art": graphic_styles.print_pixels,
    "black and white photo": graphic_styles.print_photo,
    "neon": graphic_styles.print_neon,
    "vintage poster": graphic_styles.print_poster,
    "blurry dream": graphic_styles.print_dream,
    "stained glass": tiled_styles.set_in_glass,
    "comic book": graphic_styles.print_comic,
    "chalk drawing": painted_styles.paint_chalk,
    "mosaic": tiled_styles.set_in_mosaic,
    "cross-stitch": tiled_styles.stitch,
}
# These draw things as even shapes: no rounding light, no soft shadow.
UNSHADED = frozenset(("flat vector",))
