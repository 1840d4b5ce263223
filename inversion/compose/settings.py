"""Settings of composing a prompt, and its result: the text and the origin of each phrase."""

from typing import NamedTuple

from pydantic import Field
from pydantic.dataclasses import dataclass

from unprompt.index.base.settings import STRICT
from unprompt.inversion.compose.ban_list import BanList


@dataclass(frozen=True, config=STRICT)
class ComposeConfig:
    """Maximum length of the text, banned terms, and the effort of the search."""

    max_tokens: int = Field(default=77, ge=1)  # CLIP tokens, with start and end
    ban: tuple[str, ...] = ()
    prefix: str = ""
    suffix: str = ""
    beam: int = Field(default=3, ge=1)
    rounds: int = Field(default=4, ge=0)
    tried: int = Field(default=8, ge=1)  # texts per round that the prompt encoder encodes

    @property
    def banned(self) -> BanList:
        """The banned terms as a `BanList`."""
        return BanList(self.ban)

    def around(self, text: str) -> str:
        """The text with the prefix and the suffix."""
        return ", ".join(part for part in (self.prefix, text, self.suffix) if part)


DEFAULT = ComposeConfig()


class Origin(NamedTuple):
    """A phrase of the text and its origin."""

    text: str  # with the joint before it; the phrases in order give the text
    source: str  # "neighbor", "corpus" or "given"
    prompt: str | None  # the known prompt with this phrase
    row_id: int | None


class Composition(NamedTuple):
    """The text, the cosine of its vector to the wanted vector, and its phrases."""

    text: str
    cosine: float | None  # None if nothing was composed, or with a prefix or suffix
    phrases: tuple[Origin, ...]
