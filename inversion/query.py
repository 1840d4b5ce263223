"""What a caller wants for every picture of a call: candidates, composing, metadata, blend."""

from dataclasses import dataclass

from unprompt.index.base.errors import ConfigError
from unprompt.inversion.compose.settings import ComposeConfig
from unprompt.inversion.estimate.blend import Blend


@dataclass(frozen=True)
class Query:
    """What to return for every picture of a call."""

    candidates: int = 10  # number of known prompts in `candidates` and in `neighbors`
    compose: bool = True  # compose a prompt; otherwise `prompt` is the best candidate
    negative: bool = False  # also give a negative prompt
    metadata: bool = True  # also read the prompt that a generator wrote into the file
    blend: Blend | None = None  # weights of neighbors and head; None: those of the bundle
    words: ComposeConfig = ComposeConfig()  # length, banned terms, prefix and suffix of the prompt

    def __post_init__(self) -> None:
        if self.candidates < 1:
            raise ConfigError(f"candidates must be >= 1, got {self.candidates}")
