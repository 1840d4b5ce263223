"""Answers of a language model, as text -> a MADE_PROMPTS table of the distinct prompts in them."""

from collections import Counter
from collections.abc import Iterable, Sequence

import polars as pl
from pydantic.dataclasses import dataclass

from unprompt.build.make.llm.answers import parse_answer
from unprompt.build.make.prompt_file import MADE_PROMPTS, MadePrompts
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.settings import STRICT
from unprompt.index.captions.normalize import normalize
from unprompt.index.towers.clip_tokens import fits_clip

METHOD = "llm"
COMMAND = (
    "Write {count} new prompts for a text-to-image model, each on a line of its own in a numbered "
    "list, with no other text. A prompt describes one picture in 5 to 40 words of plain English. "
    "Make every prompt unlike the others and unlike the examples: vary subject, action, place, "
    "medium, style, mood and length, and bring together what is seldom seen together."
)


@dataclass(frozen=True, config=STRICT)
class LlmConfig:
    """The budget, the message, and the limits on prompts."""

    count: int = 1000
    max_calls: int = 100  # in all, including failed calls and those of earlier runs
    seed: int = 0
    given: int = 4  # examples per call that come from the user
    own: int = 3  # examples per call that the model wrote in earlier calls
    per_call: int = 20  # prompts asked for per call
    parallel: int = 1  # concurrent calls, which see none of one another's prompts
    least_words: int = 3
    max_tokens: int = 77
    command: str = COMMAND  # {count} stands for `per_call`

    def __post_init__(self) -> None:
        numbers = (self.count, self.max_calls, self.per_call, self.parallel, self.max_tokens - 2)
        if min(numbers) < 1 or min(self.given, self.own, self.least_words) < 0:
            raise ConfigError(
                "count, max_calls, per_call and parallel must be 1 or more, max_tokens 3 or more, "
                f"given, own and least_words not negative; got {self.count}, {self.max_calls}, "
                f"{self.per_call}, {self.parallel}, {self.max_tokens}, {self.given}, {self.own}, "
                f"{self.least_words}"
            )
        if not self.command.strip():
            raise ConfigError("--command must not be an empty file")


class PromptCollector:
    """Collects distinct prompts that are no examples, with the examples of their call."""

    def __init__(self, config: LlmConfig, examples: Iterable[str]):
        self._config = config
        self._seen = {prompt.casefold() for prompt in examples}
        self.prompts: list[str] = []
        self._parents: list[tuple[str, ...]] = []
        self.left_out: Counter[str] = Counter()

    def add(self, answer: str, examples: Sequence[str]) -> int:
        """Add the prompts of an answer; returns how many it holds, new or not."""
        parsed = normalize(pl.Series("prompt", parse_answer(answer), pl.String)).to_list()
        for prompt in parsed:
            if prompt.casefold() in self._seen:
                self.left_out["repeated"] += 1
            elif len(prompt.split()) < self._config.least_words:
                self.left_out["too short"] += 1
            elif not fits_clip(prompt, self._config.max_tokens):
                self.left_out["too long"] += 1
            else:
                self._seen.add(prompt.casefold())
                self.prompts.append(prompt)
                self._parents.append(tuple(examples))
        return len(parsed)

    def made(self, calls: int, failed: int) -> MadePrompts:
        """The first `config.count` prompts as a table, and the counts."""
        kept = self.prompts[: self._config.count]
        parents = [list(examples) for examples in self._parents[: len(kept)]]
        columns = {"prompt": kept, "method": [METHOD] * len(kept), "parents": parents}
        table = pl.DataFrame(columns, schema=MADE_PROMPTS)
        report = {
            "calls": calls,
            "failed_calls": failed,
            "repeated": self.left_out["repeated"],
            "too_short": self.left_out["too short"],
            "too_long": self.left_out["too long"],
        }
        return MadePrompts(table, report)


def collect_answers(
    answers: Iterable[str], config: LlmConfig, examples: Sequence[str]
) -> MadePrompts:
    """The prompts in answers that were not obtained by `ask_model`."""
    collector, calls, failed = PromptCollector(config, examples), 0, 0
    for answer in answers:
        calls += 1
        failed += not collector.add(answer, ())
    return collector.made(calls, failed)
