"""What a picture file says about its own making -> the prompt in it, if a generator wrote one.

Reads what AUTOMATIC1111, ComfyUI, InvokeAI, NovelAI and Fooocus leave in PNG, JPEG and WebP.
"""

import io
from pathlib import Path
from typing import NamedTuple

LONGEST = 20_000  # characters; more is no prompt


class WrittenPrompt(NamedTuple):
    """What the generator wrote into the file."""

    prompt: str
    negative_prompt: str
    generator: str


def read_metadata(source: Path | bytes) -> WrittenPrompt | None:
    """The prompt in a file's own metadata; None where there is none or it cannot be understood."""
    from PIL import Image, UnidentifiedImageError
    from sd_parsers import ParserManager
    from sd_parsers.exceptions import ParserError

    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        # opened lazily: only headers and text chunks are read
        with Image.open(stream) as picture:
            found = ParserManager().parse(picture)
    except (
        ParserError, UnidentifiedImageError, Image.DecompressionBombError,
        OSError, ValueError, KeyError, TypeError, AttributeError, SyntaxError, RecursionError,
    ):  # fmt: skip
        return None
    if found is None:
        return None
    prompt, negative = found.full_prompt.strip(), found.full_negative_prompt.strip()
    if not prompt or len(prompt) > LONGEST:
        return None
    return WrittenPrompt(prompt, negative[:LONGEST], str(found.generator.value))
