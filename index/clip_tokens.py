"""Text -> how many tokens CLIP's tokenizer makes of it, with start and end; its limit is 77."""

import importlib
from functools import lru_cache


def count_clip_tokens(text: str) -> int:
    """Tokens of `text` for CLIP and Stable Diffusion.

    Without open_clip an upper bound is given: a token for every four letters of a word begun.
    """
    tokenizer = _tokenizer()
    if tokenizer is not None:
        return len(tokenizer.encode(text)) + 2
    return 2 + sum(-(-len(word) // 4) for word in text.split())


@lru_cache(maxsize=1)
def _tokenizer():  # type: ignore[no-untyped-def]
    try:
        return importlib.import_module("open_clip.tokenizer").SimpleTokenizer()
    except ImportError:
        return None
