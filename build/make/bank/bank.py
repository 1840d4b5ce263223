"""Settings and the shipped grammar -> a bank of prompts: drawn, encoded, de-duplicated, chosen."""

from collections import Counter
from collections.abc import Callable
from itertools import islice

import numpy as np
import polars as pl
from pydantic.dataclasses import dataclass

from unprompt.build.corpus.cleaning.normalize import make_prompts_table
from unprompt.build.make.bank.choose import choose_rows, without_near
from unprompt.build.make.bank.expand import draw_prompts
from unprompt.build.make.bank.grammar import Grammar
from unprompt.build.make.bank.held_texts import HeldTexts
from unprompt.build.make.prompt_file import MADE_PROMPTS, MadePrompts
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.settings import STRICT

METHOD = "bank"
SPARE, SPARE_TO_CHOOSE = 1.25, 6.0  # prompts drawn per prompt wanted, without and with examples
Encode = Callable[[pl.DataFrame], np.ndarray]  # PROMPTS -> unit vectors (n, d)


@dataclass(frozen=True, config=STRICT)
class BankConfig:
    """Size of the bank, and from how many prompts it is chosen."""

    count: int = 20_000
    seed: int = 0
    drawn: int | None = None  # None: SPARE or SPARE_TO_CHOOSE per prompt wanted
    threshold: float = 0.8  # of the cosine: no two prompts of the bank reach it

    def __post_init__(self) -> None:
        if self.count < 1 or (self.drawn is not None and self.drawn < self.count):
            raise ConfigError(
                "--count must be 1 or more and --drawn at least as many, got "
                f"{self.count} and {self.drawn}"
            )
        if not 0.0 < self.threshold <= 1.0:
            raise ConfigError(f"--threshold must be over 0 and at most 1, got {self.threshold}")


def make_bank(
    grammar: Grammar, config: BankConfig, encode: Encode, examples: pl.DataFrame | None = None
) -> MadePrompts:
    """A bank in the order of drawing; with `examples` (PROMPTS) the rows nearest to them.

    No row holds the text of an example of four words or more.
    """
    drawn = draw_table(grammar, config, examples is not None)
    vectors = encode(make_prompts_table(drawn.with_columns(source=pl.lit(METHOD))))
    own, wanted = np.arange(drawn.height), None
    if examples is not None:
        wanted = without_near(encode(examples), config.threshold)
        foreign = HeldTexts(examples["prompt"])
        own = own[[foreign.within(text) is None for text in drawn["prompt"]]]
    rows = own[choose_rows(vectors[own], config.threshold, config.count, wanted)]
    kinds = Counter(drawn["kind"][rows])
    report = {"drawn": drawn.height, "kinds": {kind: kinds[kind] for kind in grammar.kinds}}
    return MadePrompts(drawn[rows], report)


def draw_table(grammar: Grammar, config: BankConfig, choosing: bool) -> pl.DataFrame:
    """MADE_PROMPTS with a column `kind`: prompts drawn from the grammar."""
    spare = SPARE_TO_CHOOSE if choosing else SPARE
    count = config.drawn or round(config.count * spare)
    found = list(islice(draw_prompts(grammar, config.seed), count))
    return pl.DataFrame(
        {
            "prompt": [text for text, _ in found],
            "method": [METHOD] * count,
            "parents": [[] for _ in found],
            "kind": [kind for _, kind in found],
        },
        schema={**MADE_PROMPTS, "kind": pl.String},
    )
