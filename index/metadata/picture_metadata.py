"""A picture file -> the prompt and the settings that its generator wrote into it, if there are any.

Containers give texts by name, families of generators find the prompt in them. Time and memory are
linear in the size of the file, up to the limits of `limits.py`.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from unprompt.index.metadata.containers.content import read_content
from unprompt.index.metadata.containers.pillow_image import read_image
from unprompt.index.metadata.containers.stealth import read_stealth, read_stealth_pixels
from unprompt.index.metadata.generators.families import read_families
from unprompt.index.metadata.texts import Texts
from unprompt.index.metadata.written import WrittenPrompt

if TYPE_CHECKING:
    from PIL import Image


def read_metadata(source: "Path | bytes | Image.Image") -> WrittenPrompt | None:
    """The prompt in a picture's metadata; None where there is none or it cannot be understood.

    A Pillow image has it as `Image.open` returned it; `convert` and `resize` drop it. Never
    raises. Any thread may call this function: it keeps nothing between two calls.
    """
    try:
        return _read(source)
    except Exception:  # text of strangers; a picture that decodes is not lost for it
        return None


def _read(source: "Path | bytes | Image.Image") -> WrittenPrompt | None:
    if isinstance(source, Path):
        from unprompt.index.images.pictures import read_picture

        source = read_picture(source, str(source))
    written = read_texts(read_content(source) if isinstance(source, bytes) else read_image(source))
    if written is not None:
        return written
    hidden = read_stealth(source) if isinstance(source, bytes) else read_stealth_pixels(source)
    texts = Texts()
    texts.add("parameters", hidden)
    return read_texts(texts)


def read_texts(texts: Texts) -> WrittenPrompt | None:
    """The prompt in the texts of a file; None where there is none."""
    return read_families(texts) if texts else None
