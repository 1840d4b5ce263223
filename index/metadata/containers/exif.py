"""An EXIF block or a TIFF file -> texts: UserComment, ImageDescription, XPComment, Software ..."""

from collections.abc import Iterator
from typing import NamedTuple

from unprompt.index.metadata.containers.iptc import read_iptc
from unprompt.index.metadata.containers.xmp import read_xmp
from unprompt.index.metadata.decoding import ByteOrder, decode, decode_user_comment, decode_xp
from unprompt.index.metadata.limits import MAX_TEXT
from unprompt.index.metadata.texts import Texts

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_ORDERS: dict[bytes, ByteOrder] = {b"II": "little", b"MM": "big"}
_ASCII = 2
_EXIF_TAGS, _USER_COMMENT, _XMP, _IPTC = 0x8769, 0x9286, 0x02BC, 0x83BB
_NAMES = {0x010E: "imagedescription", 0x0131: "software", 0x013B: "artist"}
_XP_NAMES = {0x9C9C: "xpcomment", 0x9C9B: "xptitle", 0x9C9F: "xpsubject"}
_CAMERA = {0x829A, 0x829D, 0x8827, 0x920A, 0x8825}  # exposure, aperture, ISO, focal length, GPS
_MAKE_AND_MODEL = (0x010F, 0x0110)
_NAMED_JSON = ("prompt", "workflow", "parameters")  # of texts such as `prompt:{...}`
_MOST_TAGS, _MOST_DIRECTORIES = 1000, 4


class _Tag(NamedTuple):
    number: int
    type: int
    value: bytes


def read_exif(block: bytes, texts: Texts) -> None:
    """Add the texts of an EXIF block, which may start with `Exif`, to `texts`."""
    if block[:4] in (b"Exif", b"EXIF"):
        block = block[6:]
    order = _ORDERS.get(block[:2])
    if order is None:
        return
    left = [int.from_bytes(block[4:8], order)]
    for _ in range(_MOST_DIRECTORIES):
        if not left:
            return
        for tag in _tags(block, left.pop(), order):
            if tag.number == _EXIF_TAGS:
                left.append(int.from_bytes(tag.value[:4], order))
            if not tag.value or texts.take(len(tag.value)):
                _add(tag, order, texts)


def _tags(block: bytes, position: int, order: ByteOrder) -> Iterator[_Tag]:
    """The tags of one directory; those that point out of the block are skipped."""
    count = int.from_bytes(block[position : position + 2], order)
    for entry in range(position + 2, position + 2 + 12 * min(count, _MOST_TAGS), 12):
        if entry + 12 > len(block):
            return
        number = int.from_bytes(block[entry : entry + 2], order)
        type = int.from_bytes(block[entry + 2 : entry + 4], order)
        size = _SIZES.get(type, 0) * int.from_bytes(block[entry + 4 : entry + 8], order)
        start = entry + 8
        if size > 4:
            start = int.from_bytes(block[start : start + 4], order)
        if 0 < size <= MAX_TEXT and start < len(block):
            yield _Tag(number, type, block[start : start + size] if _wanted(number, type) else b"")


def _wanted(number: int, type: int) -> bool:
    """Whether the value of a tag is read: all texts, and a few tags of other types."""
    known = number in (_EXIF_TAGS, _USER_COMMENT, _XMP, _IPTC) or number in _XP_NAMES
    return known or type == _ASCII


def _add(tag: _Tag, order: ByteOrder, texts: Texts) -> None:
    if tag.number == _USER_COMMENT:
        _add_text("usercomment", decode_user_comment(tag.value, order), texts)
    elif tag.number in _XP_NAMES:
        texts.add(_XP_NAMES[tag.number], decode_xp(tag.value))
    elif tag.number == _XMP:
        read_xmp(tag.value, texts)
    elif tag.number == _IPTC:
        read_iptc(tag.value, texts)
    elif tag.number in _CAMERA:
        texts.camera = True
    elif tag.type == _ASCII:
        text = decode(tag.value).strip("\0 ")
        named = _add_text(_NAMES.get(tag.number, ""), text, texts)
        if tag.number in _MAKE_AND_MODEL and text and not named:
            texts.camera = True


def _add_text(name: str, text: str, texts: Texts) -> bool:
    """Add a text by its tag, if it has a name, or by its own; whether it was by its own."""
    own, _, value = (
        text.partition(":") if text[:9].lower().startswith(_NAMED_JSON) else ("", "", "")
    )
    named = own.strip().lower() in _NAMED_JSON and value.lstrip()[:1] == "{"
    if named or name:
        texts.add(own if named else name, value if named else text)
    return named
