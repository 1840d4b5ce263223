"""A Pillow image -> the texts that `Image.open` kept beside it, and those hidden in its pixels."""

from typing import TYPE_CHECKING

from unprompt.index.metadata.containers.exif import read_exif
from unprompt.index.metadata.containers.iptc import read_photoshop
from unprompt.index.metadata.containers.png import XMP, add_png_text
from unprompt.index.metadata.containers.xmp import read_xmp
from unprompt.index.metadata.decoding import decode
from unprompt.index.metadata.texts import Texts

if TYPE_CHECKING:
    from PIL import Image


def read_image(image: "Image.Image") -> Texts:
    """The texts of an image as `Image.open` returned it; `convert` and `resize` drop some."""
    texts = Texts()
    for name, value in list(image.info.items()):
        if not isinstance(name, str):
            continue
        if isinstance(value, str):
            add_png_text(name, value, texts)
        elif isinstance(value, bytes) and name == "exif":
            read_exif(value, texts)
        elif isinstance(value, bytes) and name in ("xmp", XMP):
            read_xmp(value, texts)
        elif isinstance(value, bytes) and name == "comment":
            texts.add("comment", decode(value))
        elif isinstance(value, dict) and name == "photoshop":
            _add_resources(value, texts)
    if "exif" not in image.info:
        _add_tags(image, texts)
    return texts


def _add_resources(resources: dict[object, object], texts: Texts) -> None:
    for number, data in resources.items():
        if number == 0x0404 and isinstance(data, bytes):
            resource = b"8BIM\x04\x04\0\0" + len(data).to_bytes(4) + data
            read_photoshop(resource, texts)


def _add_tags(image: "Image.Image", texts: Texts) -> None:
    """Tags of a TIFF file, which Pillow does not keep as a block."""
    if image.format == "TIFF":
        read_exif(image.getexif().tobytes(), texts)
