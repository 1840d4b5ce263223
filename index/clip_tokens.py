"""Text -> how many tokens CLIP's tokenizer makes of it, with start and end; its limit is 77.

The tokenizer changes a text (`clean_for_clip`), cuts it into pieces (`CLIP_PIECE`: a word, a digit,
a run of signs) and each piece into tokens, so the tokens of a text are the sum over its pieces.
"""

import importlib
from collections.abc import Sequence
from functools import lru_cache

START_AND_END = 2
CLIP_PIECE = (
    "<start_of_text>|<end_of_text>"
    r"|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"
)


def count_clip_tokens(text: str) -> int:
    """Tokens of `text` for CLIP and Stable Diffusion.

    Without open_clip an upper bound is given: a token for every four letters of a word begun.
    """
    tokenizer = _tokenizer()
    if tokenizer is not None:
        return len(tokenizer.encode(text)) + START_AND_END
    return START_AND_END + sum(_bound(word) for word in text.split())


def clean_for_clip(text: str) -> str:
    """What CLIP's tokenizer cuts up: mended characters, entities resolved, lower case."""
    tokenizer = _tokenizer()
    return text.lower() if tokenizer is None else str(tokenizer.clean_fn(text))


@lru_cache(maxsize=1)
def single_tokens() -> frozenset[str]:
    """The pieces that are one token each: the whole words of CLIP's vocabulary.

    Empty without open_clip.
    """
    tokenizer = _tokenizer()
    if tokenizer is None:
        return frozenset()
    spelt = (word.removesuffix("</w>") for word in tokenizer.encoder if word.endswith("</w>"))
    words = (bytes(tokenizer.byte_decoder[letter] for letter in word) for word in spelt)
    return frozenset(word.decode(errors="replace") for word in words)


def count_piece_tokens(pieces: Sequence[str]) -> list[int]:
    """Tokens of each piece of a text that `clean_for_clip` has changed."""
    merging = _merging()
    if merging is None:
        return [_bound(piece) for piece in pieces]
    return [len(merging.tokenize(_spell(piece))) for piece in pieces]


def _bound(word: str) -> int:
    return -(-len(word) // 4)


def _spell(piece: str) -> str:
    """The piece's bytes as the letters that the vocabulary has for them; ASCII is itself."""
    if piece.isascii():
        return piece
    return "".join(_tokenizer().byte_encoder[byte] for byte in piece.encode())


@lru_cache(maxsize=1)
def _tokenizer():  # type: ignore[no-untyped-def]
    try:
        return importlib.import_module("open_clip.tokenizer").SimpleTokenizer()
    except ImportError:
        return None


@lru_cache(maxsize=1)
def _merging():  # type: ignore[no-untyped-def]
    """The tokenizer's merges in the library tokenizers, where a piece takes microseconds."""
    tokenizer = _tokenizer()
    if tokenizer is None:
        return None
    models = importlib.import_module("tokenizers").models
    merges = sorted(tokenizer.bpe_ranks, key=tokenizer.bpe_ranks.__getitem__)
    return models.BPE(tokenizer.encoder, merges, end_of_word_suffix="</w>")
