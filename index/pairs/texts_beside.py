"""A picture file -> the captions in the text or json file beside it, or in its own metadata."""

from pathlib import Path

from unprompt.index.captions.texts import decode_text
from unprompt.index.images.samples import LONGEST_TEXT, READ_ORDER, json_texts
from unprompt.index.pairs.written_prompts import written_prompts

SUFFIXES = tuple(f".{suffix}" for suffix in READ_ORDER)
JSON = ".json"


def texts_beside(picture: Path, column: str | None = None) -> list[str]:
    """The captions of `a/b.png`: the text of `a/b.txt`, or those in `a/b.json` or `a/b.png.json`.

    Without such a file it is the prompt that the generator wrote into the picture. With `column`
    they are that key of the json. A file that cannot be read gives none.
    """
    if column is None:
        for suffix in SUFFIXES:
            content = _read(picture.with_suffix(suffix))
            text = "" if content is None else decode_text(content).strip()
            if text:
                return [text]
    for path in (picture.with_suffix(JSON), picture.with_name(picture.name + JSON)):
        content = _read(path)
        if content is not None:
            try:
                return json_texts(content, column)
            except (ValueError, RecursionError):
                return []
    return written_prompts(picture) if column is None else []


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as handle:
            return handle.read(LONGEST_TEXT)
    except OSError:
        return None
