"""A picture in any supported form -> an RGB image and the prompt in its metadata."""

from typing import NamedTuple

from PIL import Image

from unprompt.index.images.pictures import open_picture
from unprompt.index.images.sources import PictureSource, read_source
from unprompt.index.metadata.picture_metadata import read_metadata
from unprompt.index.metadata.written import WrittenPrompt


class OpenedPicture(NamedTuple):
    """A decoded picture with what its file says about its prompt."""

    image: Image.Image  # RGB, upright, transparency on white
    metadata_prompt: WrittenPrompt | None


def open_source(
    source: PictureSource, metadata: bool = True, place: int | None = None
) -> OpenedPicture:
    """Decode one picture as `unprompt invert` does; `metadata` also reads the prompt in its file.

    `place`, its position among several pictures, appears in errors. Raises UnreadableImageError
    for a damaged file and UnsupportedPictureError for a value that is not a picture.
    """
    name, content = read_source(source, place)
    image = open_picture(content, name)
    return OpenedPicture(image, read_metadata(content) if metadata else None)
