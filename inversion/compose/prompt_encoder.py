"""The prompt encoder that a query can have, if it made the index' targets.

The one that the bundle carries, which needs no torch, or the installed one.
"""

import sys
from pathlib import Path

from unprompt.index.base.errors import MissingDependencyError
from unprompt.index.bundle.bundle import PROMPT_ENCODER
from unprompt.index.encoders.protocols import PromptEncoder

TYPICAL = "a red fox in the snow at dawn, an oil painting, warm light"


def load_matching_encoder(
    target_space: str, threads: int | None = None, bundle: Path | None = None
) -> PromptEncoder | None:
    """The prompt encoder, ready for its first text.

    None where there is none, or where the targets come from another.
    """
    from unprompt.index.prompt_encoders.target_encoder import (
        load_prompt_runtime,
        open_prompt_encoder,
    )

    carried = None if bundle is None else bundle / PROMPT_ENCODER
    try:
        if carried is not None and carried.is_dir():
            encoder = open_prompt_encoder(carried, threads)
        else:
            encoder = load_prompt_runtime(threads)
    except MissingDependencyError:
        return None
    if encoder.space != target_space:
        print(
            f"unprompt: the index' targets are of space {target_space}, the prompt encoder of "
            f"{encoder.space}; prompts are taken from the index as they are",
            file=sys.stderr,
        )
        return None
    encoder.encode([TYPICAL] * 8)  # OpenVINO takes several times as long for the first texts
    return encoder
