"""A text -> its number of CLIP tokens, with start and end. CLIP's limit is 77.

CLIP cleans a text (`clean_for_clip`) and splits it into pieces (`CLIP_PIECE`: a word, a digit, a
run of signs) and each piece into tokens. So the number of tokens is the sum over the pieces.
open_clip's own tokenizer would import torch. Therefore this module reads the merges from
open_clip's file, and the library `tokenizers` applies them.
"""

import gzip
import html
import importlib.util
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

MERGES_FILE = "bpe_simple_vocab_16e6.txt.gz"  # beside open_clip's tokenizer
MERGES = 49152 - 256 - 2  # lines of merges, after the heading
END = "</w>"
SPECIAL = ("<start_of_text>", "<end_of_text>")
START_AND_END = 2
FEW_MERGES = 2000  # the first merges; a query reads them in a few milliseconds
_PIECE = r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"
CLIP_PIECE = f"{'|'.join(SPECIAL)}|{_PIECE}"


class _Merging(NamedTuple):
    whole: Any  # tokenizer for whole texts
    model: Any  # merges only, for one piece
    letters: Any  # bytes <-> the letters that stand for them in the vocabulary
    words: tuple[str, ...]  # whole words of the vocabulary, in these letters


def count_clip_tokens(text: str) -> int:
    """Tokens of `text` for CLIP and Stable Diffusion.

    Without open_clip the result is an upper bound: one token per four letters of a word, rounded
    up.
    """
    merging = _merging()
    if merging is None:
        return START_AND_END + sum(_bound(word) for word in text.split())
    return _count(clean_for_clip(text), merging)


def fits_clip(text: str, most: int) -> bool:
    """Whether a text has at most `most` tokens, usually without reading all merges.

    A text that CLIP does not clean has no more tokens than characters, and later merges only reduce
    the number of tokens that the first merges leave.
    """
    if text.isascii() and text.isprintable() and "&" not in text:
        if START_AND_END + len(text) - text.count(" ") <= most:
            return True
        few = _merging(FEW_MERGES)
        if few is not None and _count(text.lower(), few) <= most:
            return True
    return count_clip_tokens(text) <= most


def _count(cleaned: str, merging: "_Merging") -> int:
    return len(merging.whole.encode(cleaned).ids) + START_AND_END


def clean_for_clip(text: str) -> str:
    """The text that CLIP splits: with repaired characters, resolved entities, in lower case."""
    try:
        import ftfy
    except ImportError:
        pass
    else:
        text = ftfy.fix_text(text)
    return " ".join(html.unescape(html.unescape(text)).split()).lower()


@lru_cache(maxsize=1)
def single_tokens() -> frozenset[str]:
    """The pieces with one token each: the whole words of CLIP's vocabulary.

    Empty without open_clip.
    """
    merging = _merging()
    if merging is None:
        return frozenset()
    from tokenizers import decoders

    decoder = decoders.ByteLevel()
    return frozenset(word if word.isascii() else decoder.decode([word]) for word in merging.words)


def count_piece_tokens(pieces: Sequence[str]) -> list[int]:
    """The number of tokens of each piece of a cleaned text (`clean_for_clip`)."""
    merging = _merging()
    if merging is None:
        return [_bound(piece) for piece in pieces]
    return [len(merging.model.tokenize(_spell(piece, merging))) for piece in pieces]


def _bound(word: str) -> int:
    return -(-len(word) // 4)


def _spell(piece: str, merging: _Merging) -> str:
    """The bytes of a piece as letters of the vocabulary; ASCII stays as it is."""
    if piece.isascii():
        return piece
    return "".join(spelt for spelt, _ in merging.letters.pre_tokenize_str(piece))


@lru_cache(maxsize=2)
def _merging(count: int = MERGES) -> _Merging | None:
    """The first merges of CLIP, or None without open_clip or tokenizers."""
    found = importlib.util.find_spec("open_clip")
    try:
        from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    except ImportError:
        return None
    if found is None or found.origin is None:
        return None
    path = Path(found.origin).with_name(MERGES_FILE)
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
        read = [line.rstrip("\n").partition(" ") for line in islice(lines, 1, count + 1)]
    merges = [(first, second) for first, _, second in read]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*alphabet, *(letter + END for letter in alphabet), *map("".join, merges)]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    model = models.BPE(vocabulary, merges, end_of_word_suffix=END)
    letters = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    whole = Tokenizer(model)
    pieces = pre_tokenizers.Split(Regex(_PIECE), behavior="removed", invert=True)
    whole.pre_tokenizer = pre_tokenizers.Sequence([pieces, letters])
    whole.add_special_tokens(list(SPECIAL))
    words = tuple(token.removesuffix(END) for token in vocabulary if token.endswith(END))
    return _Merging(whole, model, letters, words)
