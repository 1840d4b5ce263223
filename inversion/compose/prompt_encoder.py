"""A bundle -> the prompt encoder for its queries, if it is the one that made the targets.

This is the encoder that the bundle carries, which needs no torch, or the installed one.
"""

import sys
from pathlib import Path

from unprompt.index.base.errors import MissingDependencyError
from unprompt.index.bundle.bundle import PROMPT_ENCODER
from unprompt.index.encoders.protocols import PromptEncoder

TYPICAL = "a red fox in the snow at dawn, an oil painting, warm light"


def load_matching_encoder(
    target_space: str,
    threads: int | None = None,
    bundle: Path | None = None,
    streams: int | None = None,
) -> PromptEncoder | None:
    """Load the prompt encoder and run it once, so that the first query is fast.

    `threads`: cores that it may use. `streams`: how many texts it encodes at the same time.

    Returns None if there is no encoder, or if another encoder made the targets.
    """
    from unprompt.index.prompt_encoders.target_encoder import (
        load_query_prompt_encoder,
        open_prompt_encoder,
    )

    carried = None if bundle is None else bundle / PROMPT_ENCODER
    try:
        if carried is not None and carried.is_dir():
            encoder = open_prompt_encoder(carried, threads, streams)
        else:
            encoder = load_query_prompt_encoder(threads, streams)
    except MissingDependencyError:
        return None
    if encoder.space != target_space:
        print(
            f"unprompt: the targets of the index have space {target_space}, the prompt encoder "
            f"has {encoder.space}; prompts are not composed but taken from the index",
            file=sys.stderr,
        )
        return None
    encoder.encode([TYPICAL] * 8)  # OpenVINO needs several times as long for the first texts
    return encoder
