"""Captions (n,) and a corpus of prompts -> captions with the corpus' own modifiers appended.

The recipe is the 11th place's. A modifier is a phrase behind a comma ("oil on canvas", "dramatic
lighting"). 1 to 5 are appended per caption, sampled by their frequency in the corpus. No word
occurs twice in a prompt.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count, islice
from typing import NamedTuple

import numpy as np
import polars as pl
from pydantic.dataclasses import dataclass

from unprompt.build.make.permutations import RandomPermutation
from unprompt.build.make.prompt_file import MADE_PROMPTS, MadePrompts
from unprompt.build.make.wording import as_clause, content_words
from unprompt.index.base.durable import stable_id
from unprompt.index.base.errors import ConfigError, CorpusError
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.base.settings import STRICT
from unprompt.index.towers.clip_tokens import fits_clip

METHOD = "modify"
TRIES = 10  # samples per modifier wanted
_EMPHASIS = re.compile(
    r"[()\[\]{}]+|:\d+(?:\.\d+)?(?=\W|$)"
)  # (word:1.2), the syntax of web interfaces
_MODIFIER = re.compile(r"[^\W_][\w' &./+-]*")


@dataclass(frozen=True, config=STRICT)
class ModifyConfig:
    """Number of modifiers, which ones, and for how many captions."""

    count: int | None = None  # prompts; None: one per caption
    seed: int = 0
    least: int = 1  # modifiers appended
    most: int = 5
    min_uses: int = 5  # prompts of the corpus that hold a modifier
    max_words: int = 5  # words per modifier
    size: int = 5000  # the most frequent modifiers
    max_tokens: int = 77

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.most:
            raise ConfigError(
                f"--least must be 1 or more and --most no less, got {self.least} and {self.most}"
            )
        numbers = (self.min_uses, self.max_words, self.size, self.max_tokens - 2)
        if min(*numbers, 1 if self.count is None else self.count) < 1:
            raise ConfigError(
                "count, min_uses, max_words and size must be 1 or more, max_tokens 3 or more; got "
                f"{self.count}, {self.min_uses}, {self.max_words}, {self.size}, {self.max_tokens}"
            )


class Modifiers(NamedTuple):
    """The m modifiers of a corpus, the most frequent first."""

    texts: tuple[str, ...]
    uses: np.ndarray  # (m,) number of prompts that hold each


def nothing_banned(text: str) -> bool:
    """The default: no modifier is banned."""
    return False


def find_modifiers(
    prompts: Iterable[str], config: ModifyConfig, banned: Callable[[str], bool] = nothing_banned
) -> Modifiers:
    """Phrases behind commas in `min_uses` prompts or more; raises CorpusError if there are none."""
    uses: Counter[str] = Counter()
    for prompt in prompts:
        uses.update({*_modifiers_of(prompt, config.max_words)})
    kept = [
        (text, number)
        for text, number in uses.items()
        if number >= config.min_uses and not banned(text)
    ]
    kept = sorted(kept, key=lambda found: (-found[1], found[0]))[: config.size]
    if not kept:
        raise CorpusError(
            f"no phrase stands behind a comma in {config.min_uses} prompts or more; give more "
            "prompts, or a smaller --min-uses"
        )
    return Modifiers(tuple(text for text, _ in kept), np.array([number for _, number in kept]))


def modify_captions(
    captions: Sequence[str],
    modifiers: Modifiers,
    config: ModifyConfig,
    progress: Progress = SILENT,
) -> MadePrompts:
    """`config.count` captions with modifiers; every caption is used once before one is reused."""
    wanted = len(captions) if config.count is None else config.count
    left_out: Counter[str] = Counter()
    rounds = count() if config.count is not None else range(1)
    prompts = _distinct(captions, modifiers, config, rounds, left_out)
    found = dict(progress.track(islice(prompts, wanted), METHOD, wanted))
    table = pl.DataFrame(
        {
            "prompt": list(found),
            "method": [METHOD] * len(found),
            "parents": list(found.values()),
        },
        schema=MADE_PROMPTS,
    )
    report = {
        "captions": len(captions),
        "modifiers": len(modifiers.texts),
        "no_room": left_out["no room"],  # captions that no sampled modifier fitted
        "repeated": left_out["repeated"],
    }
    return MadePrompts(table, report)


def _modifiers_of(prompt: str, max_words: int) -> Iterator[str]:
    """Phrases behind the commas of a prompt, lower-case, without marks of emphasis."""
    for phrase in _EMPHASIS.sub(" ", prompt.lower()).split(",")[1:]:
        text = " ".join(phrase.split()).rstrip(" .")
        if _MODIFIER.fullmatch(text) and text.count(" ") < max_words and content_words(text):
            yield text


def _distinct(
    captions: Sequence[str],
    modifiers: Modifiers,
    config: ModifyConfig,
    rounds: Iterable[int],
    left_out: Counter[str],
) -> Iterator[tuple[str, list[str]]]:
    """New prompts and their parents, until a full round over the captions gives none."""
    seen: set[str] = set()
    shares = np.cumsum(modifiers.uses / modifiers.uses.sum())
    for number in rounds:
        before = len(seen)
        for place in RandomPermutation(len(captions), METHOD, config.seed, number):
            caption = captions[place]
            generator = np.random.default_rng(stable_id(METHOD, config.seed, number, caption))
            added = _draw(as_clause(caption), modifiers.texts, shares, generator, config)
            text = ", ".join([as_clause(caption), *added])
            if not added:
                left_out["no room"] += 1
            elif text in seen:
                left_out["repeated"] += 1
            else:
                seen.add(text)
                yield text, [caption, *added]
        if len(seen) == before:
            return


def _draw(
    caption: str,
    texts: Sequence[str],
    shares: np.ndarray,
    generator: np.random.Generator,
    config: ModifyConfig,
) -> list[str]:
    """Modifiers that share no word with the caption; empty if fewer than `config.least` fit."""
    wanted = int(generator.integers(config.least, config.most + 1))
    words = set(content_words(caption))
    added: list[str] = []
    for draw in generator.random(wanted * TRIES):
        text = texts[int(np.searchsorted(shares[:-1], draw, side="right"))]
        new = content_words(text)
        if words.isdisjoint(new) and len(set(new)) == len(new):
            if fits_clip(", ".join([caption, *added, text]), config.max_tokens):
                added.append(text)
                words.update(new)
        if len(added) == wanted:
            break
    return added if len(added) >= config.least else []
