"""A value in which people store captions -> its texts.

A value is text, bytes, a list, a struct, or the JSON of one of them. A struct may name a text in
several languages or beside other facts; the names in CAPTIONS are searched in this order.
"""

import ast
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

# Names of columns, keys and fields that hold captions, in any case.
CAPTIONS = ("prompt", "prompts", "caption", "captions", "text", "texts")
FIELDS = (*CAPTIONS, "top_caption", "all_captions", "caption_str", "raw", "en", "value", "sentence")
DEEPEST = 8  # lists and structs within each other
MOST = 1_000  # texts of one value
LONGEST_JSON = 1 << 20  # characters
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def texts_of(value: object, field: str | None = None) -> list[str]:
    """The texts of a value in order, without blank ones; numbers and null give none.

    `field` is the field of a struct to take, with dots for fields of fields. At most MOST texts
    are taken, from at most DEEPEST levels.
    """
    found = []
    for text in _walk(value, field, 0):
        stripped = text.strip()
        if stripped:
            found.append(stripped)
        if len(found) == MOST:
            break
    return found


def decode_text(content: bytes) -> str:
    """The text of a file or cell: UTF-8, UTF-16 with its mark, or else Windows-1252."""
    if content[:2] in UTF16_MARKS:
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return mend_bytes(content.decode("utf-8-sig", errors="surrogateescape"))


def mend_bytes(text: str) -> str:
    """Text of `surrogateescape` without surrogates.

    Bytes that are not UTF-8 are read as Windows-1252 if the rest of the text is ASCII, so that the
    text is in Latin-1; otherwise each becomes U+FFFD.
    """
    others = "".join(letter for letter in text if not "\udc80" <= letter <= "\udcff")
    if others.isascii():
        content = text.encode("ascii", errors="surrogateescape")
        return content.decode("cp1252", errors="replace")
    return "".join("\ufffd" if "\ud800" <= letter <= "\udfff" else letter for letter in text)


def follow(value: object, path: str) -> object:
    """The value below `path`, such as `meta.prompt`; None where it is not there."""
    if isinstance(value, Mapping):
        if path in value:
            return value[path]
        name, _, rest = path.partition(".")
        inner = _member(value, name)
        return follow(inner, rest) if rest else inner
    if isinstance(value, str | bytes) and path:
        parsed = _parse(value, False)
        return follow(parsed, path) if isinstance(parsed, Mapping) else None
    return None


def _walk(value: object, field: str | None, depth: int) -> Iterator[str]:
    if depth > DEEPEST or value is None:
        return
    if isinstance(value, bytes | bytearray | memoryview):
        value = decode_text(bytes(value))
    if isinstance(value, str):
        parsed = _parse(value, field is None)
        if parsed is None:
            yield value
        else:
            yield from _walk(parsed, field, depth + 1)
    elif isinstance(value, Mapping):
        yield from _walk_struct(value, field, depth)
    elif isinstance(value, list | tuple | set | np.ndarray | pl.Series):
        for item in value:
            yield from _walk(item, field, depth + 1)


def _walk_struct(value: Mapping[Any, Any], field: str | None, depth: int) -> Iterator[str]:
    if field is not None:
        yield from _walk(follow(value, field), None, depth + 1)
        return
    for name in FIELDS:
        texts = list(_walk(_member(value, name), None, depth + 1))
        if texts:
            yield from texts
            return
    if len(value) == 1:
        yield from _walk(next(iter(value.values())), None, depth + 1)
        return
    for inner in value.values():  # such as {"meta": {"prompt": ...}, "id": ...}
        if isinstance(inner, Mapping) and any(_member(inner, name) for name in CAPTIONS):
            yield from _walk(inner, None, depth + 1)
            return


def _member(value: Mapping[Any, Any], name: str) -> object:
    if name in value:
        return value[name]
    return next(
        (found for key, found in value.items() if isinstance(key, str) and key.lower() == name),
        None,
    )


def _parse(text: str | bytes, known: bool = True) -> Sequence[Any] | Mapping[str, Any] | None:
    """The list of texts or the object that a text is the JSON or the Python form of.

    None where it is an ordinary text, such as a prompt in brackets. `known` takes objects only
    that have one of FIELDS.
    """
    if len(text) > LONGEST_JSON:
        return None
    plain = decode_text(text) if isinstance(text, bytes) else text
    plain = plain.strip()
    ends = plain[:1] + plain[-1:]
    if ends not in ("[]", "{}") or plain[1:-1].lstrip()[:1] not in ('"', "'", "{"):
        return None
    try:
        value = json.loads(plain)
    except (ValueError, RecursionError):
        if ends != "[]":
            return None
        try:  # a list of texts as Python writes it, for instance in a .csv
            value = ast.literal_eval(plain)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            return None
    if isinstance(value, dict):
        named = any(_member(value, name) is not None for name in FIELDS)
        return value if named or not known else None
    whole = isinstance(value, list) and all(isinstance(item, str | dict) for item in value)
    return value if whole and value else None
