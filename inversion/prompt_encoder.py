"""The prompt encoder that a query can have: the installed one, if it made the index' targets."""

import sys

from unprompt.index.encoders import PromptEncoder
from unprompt.index.errors import MissingDependencyError


def load_matching_encoder(target_space: str, threads: int | None = None) -> PromptEncoder | None:
    """The installed prompt encoder; None where there is none, or targets come from another."""
    from unprompt.index.prompt_runtime import load_prompt_runtime

    try:
        encoder = load_prompt_runtime(threads)
    except MissingDependencyError:
        return None
    if encoder.space != target_space:
        print(
            f"unprompt: the index' targets are of space {target_space}, the installed prompt "
            f"encoder of {encoder.space}; prompts are taken from the index as they are",
            file=sys.stderr,
        )
        return None
    return encoder
