"""A picture file -> the prompt that its generator wrote into it, if there is one.

Reads what AUTOMATIC1111, ComfyUI, InvokeAI, NovelAI and Fooocus write into PNG, JPEG and WebP.
"""

import io
from contextlib import nullcontext
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from PIL import Image

MAX_PROMPT_LENGTH = 20_000  # characters; a longer text is not taken for a prompt
# sd_parsers keeps the last EXIF comment in a global, under the id() of its image. An image that
# another thread parses, or that gets the id of a deleted one, would be given that comment.
_PARSING = Lock()


class WrittenPrompt(NamedTuple):
    """The prompt that a generator wrote into a picture file."""

    prompt: str
    negative_prompt: str
    generator: str  # AUTOMATIC1111, ComfyUI, InvokeAI, NovelAI or Fooocus


def read_metadata(source: "Path | bytes | Image.Image") -> WrittenPrompt | None:
    """The prompt in a picture's metadata; None where there is none or it cannot be understood.

    A Pillow image has it as `Image.open` returned it; `convert` and `resize` drop it. Any thread
    may call this function.
    """
    from PIL import Image, UnidentifiedImageError
    from sd_parsers import ParserManager
    from sd_parsers.exceptions import ParserError
    from sd_parsers.extractors import _jpeg_usercomment

    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        # Image.open reads only headers and text chunks here, not the pixels.
        opened = nullcontext(stream) if isinstance(stream, Image.Image) else Image.open(stream)
        with opened as picture, _PARSING:
            _jpeg_usercomment._image_id = None
            found = ParserManager().parse(picture)
    except (
        ParserError, UnidentifiedImageError, Image.DecompressionBombError,
        OSError, ValueError, KeyError, TypeError, AttributeError, SyntaxError, RecursionError,
    ):  # fmt: skip
        return None
    if found is None:
        return None
    prompt, negative = found.full_prompt.strip(), found.full_negative_prompt.strip()
    if not prompt or len(prompt) > MAX_PROMPT_LENGTH:
        return None
    return WrittenPrompt(prompt, negative[:MAX_PROMPT_LENGTH], str(found.generator.value))
