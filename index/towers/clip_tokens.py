"""Text -> how many tokens CLIP's tokenizer makes of it, with start and end; its limit is 77.

CLIP changes a text (`clean_for_clip`), cuts it into pieces (`CLIP_PIECE`: a word, a digit, a run of
signs) and each piece into tokens, so the tokens of a text are the sum over its pieces. open_clip's
own tokenizer would load torch with it, so its merges are read from the file that open_clip brings,
and the library `tokenizers` applies them.
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
MERGES = 49152 - 256 - 2  # of its lines, behind the heading
END = "</w>"
SPECIAL = ("<start_of_text>", "<end_of_text>")
START_AND_END = 2
FEW_MERGES = 2000  # the first, which a query reads in a few milliseconds
_PIECE = r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"
CLIP_PIECE = f"{'|'.join(SPECIAL)}|{_PIECE}"


class _Merging(NamedTuple):
    whole: Any  # the tokenizer of whole texts
    model: Any  # the merges alone, for one piece
    letters: Any  # bytes <-> the letters that the vocabulary has for them
    words: tuple[str, ...]  # what the vocabulary holds as whole words, spelt in these letters


def count_clip_tokens(text: str) -> int:
    """Tokens of `text` for CLIP and Stable Diffusion.

    Without open_clip an upper bound is given: a token for every four letters of a word begun.
    """
    merging = _merging()
    if merging is None:
        return START_AND_END + sum(_bound(word) for word in text.split())
    return _count(clean_for_clip(text), merging)


def fits_clip(text: str, most: int) -> bool:
    """Whether `count_clip_tokens` of a text is at most `most`, which is seldom worth all merges.

    A text that CLIP does not change has no more tokens than characters, and later merges only make
    fewer of what the first ones leave.
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
    """What CLIP's tokenizer cuts up: mended characters, entities resolved, lower case."""
    try:
        import ftfy
    except ImportError:
        pass
    else:
        text = ftfy.fix_text(text)
    return " ".join(html.unescape(html.unescape(text)).split()).lower()


@lru_cache(maxsize=1)
def single_tokens() -> frozenset[str]:
    """The pieces that are one token each: the whole words of CLIP's vocabulary.

    Empty without open_clip.
    """
    merging = _merging()
    if merging is None:
        return frozenset()
    from tokenizers import decoders

    decoder = decoders.ByteLevel()
    return frozenset(word if word.isascii() else decoder.decode([word]) for word in merging.words)


def count_piece_tokens(pieces: Sequence[str]) -> list[int]:
    """Tokens of each piece of a text that `clean_for_clip` has changed."""
    merging = _merging()
    if merging is None:
        return [_bound(piece) for piece in pieces]
    return [len(merging.model.tokenize(_spell(piece, merging))) for piece in pieces]


def _bound(word: str) -> int:
    return -(-len(word) // 4)


def _spell(piece: str, merging: _Merging) -> str:
    """The piece's bytes as the letters that the vocabulary has for them; ASCII is itself."""
    if piece.isascii():
        return piece
    return "".join(spelt for spelt, _ in merging.letters.pre_tokenize_str(piece))


@lru_cache(maxsize=2)
def _merging(count: int = MERGES) -> _Merging | None:
    """The first merges of CLIP; None without open_clip or tokenizers."""
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
