"""An XMP packet -> texts: description, UserComment, CreatorTool and the prompt of IPTC 2025."""

from xml.parsers import expat

from unprompt.index.metadata.decoding import decode
from unprompt.index.metadata.limits import MAX_XMP
from unprompt.index.metadata.texts import Texts

_WANTED = {
    "description", "usercomment", "creatortool", "parameters", "prompt", "workflow",
    "digitalsourcetype", "aipromptinformation", "aisystemused", "imagedescription",
}  # fmt: skip
_DEPTH, _ELEMENTS = 64, 20_000
_COST = 8  # of a byte of XML, beside a byte of text


class _TooMuchError(Exception):
    """The packet is deeper or longer than any that a generator writes, or declares entities."""


class _Collector:
    """Properties by their local names, from elements and from attributes of rdf:Description."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self._depth = self._elements = 0
        self._open: str | None = None  # the property that the parser is in
        self._open_depth = self._items = 0
        self._pieces: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._elements += 1
        if self._depth > _DEPTH or self._elements > _ELEMENTS:
            raise _TooMuchError
        for attribute, value in attributes.items():
            self._keep(attribute, value)
        # rdf:Description has the local name of dc:description, with a capital.
        if self._open is None and _local(name) != "Description" and _known(name):
            self._open, self._open_depth, self._pieces, self._items = name, self._depth, [], 0
        elif _local(name) == "li":
            self._items += 1

    def end(self, name: str) -> None:
        if self._open is not None and self._depth == self._open_depth:
            self._keep(self._open, "".join(self._pieces))
            self._open = None
        self._depth -= 1

    def data(self, piece: str) -> None:
        if self._open is not None and self._items <= 1:  # of several languages, the first
            self._pieces.append(piece)

    def refuse(self, *declaration: object) -> None:
        raise _TooMuchError

    def _keep(self, name: str, value: str) -> None:
        if _known(name):
            self._texts.add(f"xmp:{_local(name)}", value)


def read_xmp(packet: bytes, texts: Texts) -> None:
    """Add the properties of an XMP packet to `texts`, as `xmp:` and the local name.

    A packet with a document type is refused, so no entity can grow. What stands before a fault is
    kept.
    """
    if len(packet) > MAX_XMP or b"<!DOCTYPE" in packet or not texts.take(_COST * len(packet)):
        return
    collector = _Collector(texts)
    parser = expat.ParserCreate("utf-8", namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = collector.start
    parser.EndElementHandler = collector.end
    parser.CharacterDataHandler = collector.data
    parser.StartDoctypeDeclHandler = collector.refuse
    parser.EntityDeclHandler = collector.refuse
    try:
        parser.Parse(decode(packet).strip("\0 \t\r\n\ufeff").encode("utf-8", "replace"), True)
    except (expat.ExpatError, _TooMuchError):
        return


def _local(name: str) -> str:
    return name.rpartition(" ")[2]


def _known(name: str) -> bool:
    return _local(name).lower() in _WANTED
