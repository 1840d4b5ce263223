"""IPTC-IIM data, bare or in Photoshop's image resources -> texts: the caption, the program."""

from unprompt.index.metadata.decoding import decode
from unprompt.index.metadata.limits import MAX_BLOCKS
from unprompt.index.metadata.texts import Texts

_NAMES = {(2, 120): "iptc:caption", (2, 65): "iptc:program"}
_RESOURCE = 0x0404


def read_photoshop(resources: bytes, texts: Texts) -> None:
    """Add the texts of the IPTC data among Photoshop's image resources to `texts`."""
    position = 0
    for _ in range(MAX_BLOCKS):
        if resources[position : position + 4] != b"8BIM":
            return
        number = int.from_bytes(resources[position + 4 : position + 6])
        name = resources[position + 6] if position + 6 < len(resources) else 0
        start = position + 6 + 1 + name + (1 + name) % 2
        length = int.from_bytes(resources[start : start + 4])
        start += 4
        if number == _RESOURCE:
            read_iptc(resources[start : start + length], texts)
        position = start + length + length % 2


def read_iptc(data: bytes, texts: Texts) -> None:
    """Add the caption and the program of IPTC data to `texts`."""
    position = 0
    for _ in range(MAX_BLOCKS):
        if position + 5 > len(data) or data[position] != 0x1C:
            return
        field = data[position + 1], data[position + 2]
        length = int.from_bytes(data[position + 3 : position + 5])
        start = position + 5
        if length & 0x8000:  # the length itself stands in the next bytes
            width = min(length & 0x7FFF, 4)
            length = int.from_bytes(data[start : start + width])
            start += width
        if field in _NAMES and texts.take(length):
            texts.add(_NAMES[field], decode(data[start : start + length]))
        position = start + length
