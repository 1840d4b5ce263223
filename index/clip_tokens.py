"""Text -> how many tokens CLIP's tokenizer makes of it, with start and end; its limit is 77.

open_clip's own tokenizer would load torch with it, so its word pieces are read from the file that
open_clip brings, and the pieces are made by the library `tokenizers`.
"""

import gzip
import html
import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import Any

PIECES = "bpe_simple_vocab_16e6.txt.gz"  # beside open_clip's tokenizer
MERGES = 49152 - 256 - 2  # of its lines, behind the heading
END = "</w>"
SPECIAL = ("<start_of_text>", "<end_of_text>")
_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"


def count_clip_tokens(text: str) -> int:
    """Tokens of `text` for CLIP and Stable Diffusion.

    Without open_clip an upper bound is given: a token for every four letters of a word begun.
    """
    tokenizer = _tokenizer()
    if tokenizer is not None:
        return len(tokenizer.encode(_clean(text)).ids) + 2
    return 2 + sum(-(-len(word) // 4) for word in text.split())


def _clean(text: str) -> str:
    try:
        import ftfy
    except ImportError:
        pass
    else:
        text = ftfy.fix_text(text)
    return " ".join(html.unescape(html.unescape(text)).split()).lower()


@lru_cache(maxsize=1)
def _tokenizer() -> Any:
    found = importlib.util.find_spec("open_clip")
    try:
        from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    except ImportError:
        return None
    if found is None or found.origin is None:
        return None
    path = Path(found.origin).with_name(PIECES)
    lines = gzip.decompress(path.read_bytes()).decode("utf-8").split("\n")[1 : MERGES + 1]
    merges = [(first, second) for first, _, second in (line.partition(" ") for line in lines)]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = [*letters, *(letter + END for letter in letters), *map("".join, merges)]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, end_of_word_suffix=END))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.add_special_tokens(list(SPECIAL))
    return tokenizer
