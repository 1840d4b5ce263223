"""A prompt -> its number of tokens, and how many the text encoders of a pipeline read."""

import inspect
from typing import Any, NamedTuple

TOKENIZERS = ("tokenizer", "tokenizer_2", "tokenizer_3", "tokenizer_4")
NO_LIMIT = 1_000_000  # tokenizers without a limit report a huge number


class TokenCount(NamedTuple):
    """Tokens of one prompt for the text encoder that reads most, special tokens included."""

    tokens: int
    limit: int | None

    @property
    def truncated(self) -> bool:
        """Whether no text encoder reads the whole prompt."""
        return self.limit is not None and self.tokens > self.limit


class TokenCounter:
    """Counts with the tokenizers of the pipeline."""

    def __init__(self, pipeline: Any):
        parameters = inspect.signature(type(pipeline).__call__).parameters
        length = parameters.get("max_sequence_length")
        cap = length.default if length and isinstance(length.default, int) else NO_LIMIT
        self._known = [
            (tokenizer, min(int(tokenizer.model_max_length), cap))
            for tokenizer in (getattr(pipeline, name, None) for name in TOKENIZERS)
            if tokenizer is not None
        ]

    def count(self, prompt: str) -> TokenCount | None:
        """Tokens of `prompt`; None for a pipeline without a tokenizer."""
        if not self._known:
            return None
        tokenizer, limit = max(self._known, key=lambda pair: pair[1])
        ids = tokenizer(prompt, truncation=False, verbose=False).input_ids
        return TokenCount(len(ids), limit if limit < NO_LIMIT else None)
