"""The files of an archive -> samples: a picture and the texts that share its name.

As in webdataset, the key of a sample is the path of its files up to the first dot of their name.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from unprompt.index.archives.tars import TarMember
from unprompt.index.captions.texts import decode_text, follow, texts_of
from unprompt.index.images.pictures import PICTURE_SUFFIXES

LONGEST_TEXT = 1 << 20  # bytes
READ_ORDER = ("txt", "caption", "text")
TEXTS = (*READ_ORDER, "json")
Read = Callable[[TarMember], bytes]


@dataclass
class Sample:
    """The files of one key."""

    key: str
    picture: TarMember | None = None
    others: list[TarMember] = field(default_factory=list)  # further pictures, which are not used
    texts: dict[str, TarMember] = field(default_factory=dict)  # by suffix: txt, json ...
    layer: bool = False  # whether the picture has a second suffix, as in x.depth.png

    def add(self, suffix: str, member: TarMember) -> None:
        """Take a file; a picture with one suffix goes before x.depth.png, the first before others.

        Of two texts with one suffix the first stays.
        """
        if not is_picture(suffix):
            self.texts.setdefault(suffix, member)
        elif self.picture is None:
            self.picture, self.layer = member, "." in suffix
        elif self.layer and "." not in suffix:
            self.others.append(self.picture)
            self.picture, self.layer = member, False
        else:
            self.others.append(member)


Samples = dict[str, Sample]


def read_samples(members: Iterable[TarMember], found: Samples | None = None) -> Samples:
    """The samples of the members by key, in order; `found` is filled as long as members come."""
    samples = {} if found is None else found
    for member in members:
        key, suffix = split_name(member.name)
        hidden = not key.rpartition("/")[2]
        if not hidden and (is_picture(suffix) or suffix in TEXTS):
            samples.setdefault(key, Sample(key)).add(suffix, member)
    return samples


def split_name(name: str) -> tuple[str, str]:
    """The key of a file and its suffix in lower case, without the first dot."""
    folder, _, file = name.removeprefix("./").rpartition("/")
    stem, _, suffix = file.partition(".")
    return (f"{folder}/{stem}" if folder else stem), suffix.lower()


def is_picture(suffix: str) -> bool:
    """Whether a file with this suffix, without its first dot, is a picture."""
    return f".{suffix}".endswith(PICTURE_SUFFIXES)


def sample_texts(texts: Mapping[str, TarMember], read: Read, column: str | None) -> list[str]:
    """The captions of a sample: its text file, or else its json; with `column`, that key of it.

    Raises ValueError or RecursionError for a text that is too long or a json that is none, and
    what `read` raises.
    """
    if column is None:
        for suffix in READ_ORDER:
            if suffix in texts:
                found = decode_text(_content(texts[suffix], read)).strip()
                if found:
                    return [found]
    if "json" not in texts:
        return []
    return json_texts(_content(texts["json"], read), column)


def sample_fact(texts: Mapping[str, TarMember], read: Read, key: str) -> str | None:
    """The value of a key in the json of a sample, as text; None where there is none."""
    if "json" not in texts:
        return None
    value = follow(json.loads(decode_text(_content(texts["json"], read))), key)
    return None if value is None else str(value)


def json_texts(content: bytes, column: str | None = None) -> list[str]:
    """The captions in the json of a sample; raises ValueError or RecursionError if it is none."""
    value: Any = json.loads(decode_text(content))
    return texts_of(value if column is None else follow(value, column))


def _content(member: TarMember, read: Read) -> bytes:
    if member.size > LONGEST_TEXT:
        raise ValueError(f"{member.name} is longer than {LONGEST_TEXT} bytes")
    return read(member)
