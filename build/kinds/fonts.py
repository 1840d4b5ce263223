"""A style and a size -> a font of the DejaVu family, which matplotlib's package carries."""

import importlib.util
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

from unprompt.index.base.errors import MissingDependencyError

FILES = {
    "sans": "DejaVuSans.ttf",
    "bold": "DejaVuSans-Bold.ttf",
    "mono": "DejaVuSansMono.ttf",
    "mono bold": "DejaVuSansMono-Bold.ttf",
    "serif": "DejaVuSerif.ttf",
    "serif bold": "DejaVuSerif-Bold.ttf",
}


@lru_cache(maxsize=128)
def load_font(style: str, size: int) -> ImageFont.FreeTypeFont:
    """The font of a style in FILES, `size` pixels high.

    Raises MissingDependencyError without matplotlib, so that pictures do not depend on the fonts
    of the machine.
    """
    found = importlib.util.find_spec("matplotlib")
    if found is None or found.origin is None:
        raise MissingDependencyError(
            "the drawn screens need the fonts of matplotlib: pip install 'unprompt[build,cpu]'"
        )
    path = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" / FILES[style]
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)
