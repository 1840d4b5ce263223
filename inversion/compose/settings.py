"""What composing a prompt takes and gives: settings, the text, and where each phrase comes from."""

from typing import NamedTuple

from pydantic import Field
from pydantic.dataclasses import dataclass

from unprompt.index.base.settings import STRICT
from unprompt.inversion.compose.ban_list import BanList


@dataclass(frozen=True, config=STRICT)
class ComposeConfig:
    """How long the text may be, what must not be in it, and how hard to search."""

    max_tokens: int = Field(default=77, ge=1)  # of the target model's tokenizer, start and end too
    ban: tuple[str, ...] = ()
    prefix: str = ""
    suffix: str = ""
    beam: int = Field(default=3, ge=1)
    rounds: int = Field(default=4, ge=0)
    tried: int = Field(default=8, ge=1)  # texts a round that the prompt encoder looks at

    @property
    def banned(self) -> BanList:
        """What must not be in it, ready to search with."""
        return BanList(self.ban)

    def around(self, text: str) -> str:
        """The text with prefix and suffix."""
        return ", ".join(part for part in (self.prefix, text, self.suffix) if part)


DEFAULT = ComposeConfig()


class Origin(NamedTuple):
    """A phrase of the text and where it comes from."""

    text: str  # with the joint before it: the phrases in order are the text
    source: str  # "neighbor", "corpus" or "given"
    prompt: str | None  # the known prompt it was taken from
    row_id: int | None


class Composition(NamedTuple):
    """The text, how close its vector is to the one wanted, and its phrases."""

    text: str
    cosine: float | None  # None where nothing could be composed, or with words given around it
    phrases: tuple[Origin, ...]
