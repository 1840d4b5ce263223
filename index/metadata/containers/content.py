"""The bytes of a picture file -> its texts, by the format that the first bytes tell."""

from collections.abc import Callable

from unprompt.index.metadata.containers.bmff import read_bmff
from unprompt.index.metadata.containers.exif import read_exif
from unprompt.index.metadata.containers.gif import read_gif
from unprompt.index.metadata.containers.jpeg import read_jpeg
from unprompt.index.metadata.containers.png import SIGNATURE, read_png
from unprompt.index.metadata.containers.webp import read_webp
from unprompt.index.metadata.texts import Texts

Reader = Callable[[bytes, Texts], None]
_READERS: tuple[tuple[bytes, Reader], ...] = (
    (SIGNATURE, read_png),
    (b"\xff\xd8\xff", read_jpeg),
    (b"GIF8", read_gif),
    (b"II*\0", read_exif),  # a TIFF file is laid out as an EXIF block is
    (b"MM\0*", read_exif),
)


def read_content(content: bytes) -> Texts:
    """The texts of a picture file; none for a format without texts, or for other bytes.

    What is damaged is skipped. The cost is linear in the size of the file.
    """
    texts = Texts()
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        read_webp(content, texts)
    elif content[4:8] in (b"ftyp", b"JXL "):
        read_bmff(content, texts)
    for start, reader in _READERS:
        if content.startswith(start):
            reader(content, texts)
    return texts
