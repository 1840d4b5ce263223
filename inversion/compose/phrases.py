"""Prompts -> their phrases, and a bank of the phrases of a corpus with their vectors.

A phrase begins at a comma, at a sentence or at a connector ("in", "next to", "in the style of"). So
phrases can be exchanged and the text remains readable.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from unprompt.index.base.durable import read_json, write_atomically
from unprompt.index.base.errors import DamagedFileError
from unprompt.index.base.safe.arrays import load_array
from unprompt.index.encoders.protocols import PromptEncoder

LIST, VECTORS = "phrases.json", "phrases.npy"
PLACES = (
    "to the right of", "to the left of", "in the style of", "in the middle of", "on the surface of",
    "on top of", "in front of", "next to", "surrounded by", "trending on", "inspired by", "made of",
    "painted by", "illustrated by", "art by", "beside", "behind", "inside", "between", "among",
    "above", "below", "under", "over", "against", "through", "during", "without", "with", "near",
    "into", "from", "featuring", "wearing", "holding", "riding", "drawn in", "painted in", "at",
    "by", "as", "like", "for", "in", "on", "of", "and",
)  # fmt: skip
POSES = ("standing", "sitting", "posing", "floating", "lying", "hanging", "flying", "looking")
_CONNECTOR = (
    f"(?:(?:{'|'.join(POSES)}) )?(?:{'|'.join(re.escape(place) for place in PLACES)})" + r"(?=\s)"
)
_START = re.compile(_CONNECTOR, re.IGNORECASE)
_SENTENCE = r"(?<!\b(?-i:[A-Z]))[.!?]\s+(?=(?-i:[A-Z]))"  # the initials "J. M. W." end none
_BREAK = re.compile(
    rf"(?:(?P<comma>\s*,\s*)|(?P<stop>{_SENTENCE}))(?P<after>{_CONNECTOR})?"
    rf"|\s(?P<between>{_CONNECTOR})",
    re.IGNORECASE,
)
Text = Annotated[str, Field(max_length=10_000)]
ARTICLES = ("A", "An", "The", "One", "Two", "Three", "Four", "Five", "Some", "Many")
PHRASES = TypeAdapter(list[tuple[Text, Text, Annotated[int, Field(ge=0, lt=2**40)]]])
_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")


class Phrase(NamedTuple):
    """A part of a prompt: the joint to the text before it, its connector, and the rest."""

    joint: str  # ", ", ". " or " "; "" at the start
    connector: str  # "" if it has none
    body: str

    @property
    def text(self) -> str:
        """Connector and body."""
        return " ".join(part for part in (self.connector, self.body) if part)


def split_phrases(prompt: str) -> tuple[Phrase, ...]:
    """Split a prompt into phrases. Joined again, they give the words of the prompt."""
    prompt = " ".join(prompt.split())
    first = _START.match(prompt)
    joint, connector, start = "", first[0] if first else "", first.end() if first else 0
    phrases: list[Phrase] = []
    for match in [*_BREAK.finditer(prompt, start), None]:
        body = prompt[start : match.start() if match else None].strip().rstrip(".").strip()
        if body or connector:
            phrases.append(Phrase(joint if phrases else "", connector, body))
        if match:
            joint = ", " if match["comma"] else ". " if match["stop"] else " "
            connector = match["after"] or match["between"] or ""
            start = match.end()
    return tuple(phrases)


def join_phrases(phrases: Sequence[Phrase]) -> str:
    """Join phrases to a prompt."""
    parts = [
        (phrase.joint or " " if place else "") + phrase.text for place, phrase in enumerate(phrases)
    ]
    return "".join(parts)


def as_entry(phrase: Phrase) -> Phrase:
    """The phrase as stored in a bank: without a joint, with a lower-case article."""
    first, _, rest = phrase.body.partition(" ")
    body = f"{first.lower()} {rest}" if rest and first in ARTICLES else phrase.body
    return Phrase("", phrase.connector.lower(), body)


def words(text: str) -> list[str]:
    """The lower-case words of a text, in order."""
    return [match[0].lower() for match in _WORD.finditer(text)]


class PhraseBank(NamedTuple):
    """The most frequent phrases of a corpus, and their vectors."""

    phrases: tuple[Phrase, ...]
    counts: np.ndarray  # (p,) number of prompts with the phrase
    vectors: np.ndarray  # (p, d_prompt) float32 unit length


def make_bank(
    prompts: Iterable[str], encoder: PromptEncoder, size: int, least: int = 2
) -> PhraseBank:
    """Collect the `size` most frequent phrases that occur in at least `least` prompts."""
    counter: Counter[Phrase] = Counter()
    for prompt in prompts:
        counter.update({as_entry(phrase) for phrase in split_phrases(prompt)})
    kept = [(phrase, count) for phrase, count in counter.most_common() if count >= least]
    # ties in alphabetical order, so that the bank depends on the corpus only
    kept = sorted(kept, key=lambda item: (-item[1], item[0]))[:size]
    phrases = tuple(phrase for phrase, _ in kept)
    counts = np.array([count for _, count in kept], dtype=np.int64)
    return PhraseBank(phrases, counts, encoder.encode([phrase.text for phrase in phrases]))


def save_bank(folder: Path, bank: PhraseBank) -> None:
    """Write the vectors (fp16), then the list of [connector, body, count]."""
    with write_atomically(folder / VECTORS) as temporary, temporary.open("wb") as handle:
        np.save(handle, np.ascontiguousarray(bank.vectors, dtype=np.float16))
    lines = [
        json.dumps([phrase.connector, phrase.body, int(count)], ensure_ascii=False)
        for phrase, count in zip(bank.phrases, bank.counts, strict=True)
    ]
    with write_atomically(folder / LIST) as temporary:
        temporary.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


def load_bank(folder: Path, dim: int | None = None) -> PhraseBank:
    """Read a bank, of vectors of `dim` numbers if it is given.

    Raises DamagedFileError if the list and the vectors do not match.
    """
    try:
        listed = PHRASES.validate_python(read_json(folder / LIST))
    except ValidationError as error:
        raise DamagedFileError(
            f"{folder / LIST} must list [connector, body, count] for each phrase: "
            f"{error.errors()[0]['msg']}; run `unprompt build CONFIG --stage fit` again"
        ) from error
    phrases = tuple(Phrase("", connector, body) for connector, body, _ in listed)
    counts = np.array([count for *_, count in listed], dtype=np.int64)
    vectors = load_array(folder / VECTORS, (2,)).astype(np.float32)
    if len(vectors) != len(phrases):
        raise DamagedFileError(
            f"{folder} has {len(phrases)} phrases but {len(vectors)} vectors; run "
            "`unprompt build CONFIG --stage fit` again"
        )
    if dim is not None and vectors.shape[1] != dim:
        raise DamagedFileError(
            f"{folder / VECTORS} holds vectors of {vectors.shape[1]} numbers, wanted {dim}; run "
            "`unprompt build CONFIG --stage fit` again"
        )
    return PhraseBank(phrases, counts, vectors)
