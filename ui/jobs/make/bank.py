"""`unprompt make bank`: the shipped grammar and perhaps example prompts -> a file of prompts."""

import numpy as np
import polars as pl

from unprompt.build.make.bank.bank import METHOD, BankConfig, make_bank
from unprompt.build.make.bank.grammar import shipped_grammar
from unprompt.build.make.prompt_file import MadePrompts
from unprompt.index.base.durable import digest_json
from unprompt.index.base.progress import Progress
from unprompt.ui.jobs.make.make import Destination, PromptSource, make_once, settings_of


def run_bank(examples: PromptSource, config: BankConfig, to: Destination) -> None:
    """Draw prompts and keep those that are no near-duplicates, near to examples if there are."""
    grammar = shipped_grammar()

    def make(progress: Progress) -> MadePrompts:
        def encode(prompts: pl.DataFrame) -> np.ndarray:
            return to.encode(prompts, progress).whole()

        wanted = examples.read() if examples.paths else None
        return make_bank(grammar, config, encode, wanted)

    words = {name: rule.texts for name, rule in grammar.rules.items()}
    settings = {**settings_of(METHOD, config, examples), "grammar": digest_json(words)}
    make_once(to, settings, make, config.count)
