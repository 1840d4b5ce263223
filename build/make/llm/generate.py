"""A command, example prompts and a language model -> new prompts, call by call.

The 2nd place's recipe: each call shows 4 of the given examples and 3 of the model's own earlier
prompts, drawn and shuffled anew, so that no two calls ask the same. Of the calls in a round none
sees the prompts of another, so that they can run side by side and still come out the same.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice
from random import Random
from typing import Protocol

from unprompt.build.make.llm.answers import parse_answer
from unprompt.build.make.llm.call_log import Call, CallLog
from unprompt.build.make.llm.chat import Answer, MalformedAnswer
from unprompt.build.make.llm.gather import METHOD, Gathered, LlmConfig
from unprompt.build.make.made import Made
from unprompt.index.base.durable import stable_id
from unprompt.index.base.errors import EndpointError
from unprompt.index.base.progress import SILENT, Progress

MALFORMED_IN_A_ROW = 5  # then the endpoint is taken to be broken


class Chat(Protocol):
    """A language model that answers one message at a time."""

    def ask(self, message: str) -> Answer:
        """The answer; raises MalformedAnswer where it is none, EndpointError where it must end."""

    def stop(self) -> None:
        """Let calls that wait for another try give up."""


def ask_model(
    chat: Chat,
    config: LlmConfig,
    examples: Sequence[str],
    log: CallLog,
    progress: Progress = SILENT,
) -> Made:
    """Call until there are `config.count` prompts or `config.max_calls` calls in the log.

    Calls that the log holds already are not made again. Raises EndpointError where the endpoint
    refuses, or answers without prompts several times in a row; all that came before is in the log.
    """
    gathered = Gathered(config, examples)
    prompts = islice(_prompts(chat, config, examples, log, gathered), config.count)
    for _ in progress.track(prompts, METHOD, config.count):
        progress.detail(f"{len(log)} calls")
    return gathered.made(len(log), sum(call.status == "failed" for call in log))


def first_message(config: LlmConfig, examples: Sequence[str]) -> str:
    """What the first call asks, to be asked by hand."""
    return _message(config, _draw_examples(config, examples, (), 0))


def _prompts(
    chat: Chat, config: LlmConfig, examples: Sequence[str], log: CallLog, gathered: Gathered
) -> Iterator[str]:
    """Every new prompt, round by round, until the calls are used up."""
    in_a_row = 0
    for first in itertools.count(0, config.parallel):
        numbers = range(first, first + config.parallel)
        missing = [number for number in numbers if number not in log]
        own = gathered.prompts
        shown = {
            number: _draw_examples(config, examples, own, number)
            for number in missing[: max(0, config.max_calls - len(log))]
        }
        _make_calls(chat, config, shown, log)
        known = [log[number] for number in numbers if number in log]
        if not known:
            return
        for call in known:
            before = len(gathered.prompts)
            gathered.add(call.answer or "", call.examples)
            in_a_row = in_a_row + 1 if call.number in shown and call.status == "failed" else 0
            if in_a_row == MALFORMED_IN_A_ROW:
                raise EndpointError(
                    f"{in_a_row} calls in a row gave no prompt, the last one: "
                    f"{call.error_message}; look into {log.path}"
                )
            yield from gathered.prompts[before:]


def _make_calls(
    chat: Chat, config: LlmConfig, shown: Mapping[int, tuple[str, ...]], log: CallLog
) -> None:
    """Make the calls of a round side by side; each is logged as soon as it is answered."""

    def call(number: int) -> Call:
        return _call(chat, number, shown[number], _message(config, shown[number]))

    if len(shown) <= 1:
        for number in shown:
            log.add(call(number))
        return
    refused: EndpointError | None = None
    with ThreadPoolExecutor(len(shown)) as pool:
        try:
            for future in as_completed([pool.submit(call, number) for number in shown]):
                try:
                    log.add(future.result())
                except EndpointError as error:
                    refused = refused or error
                    chat.stop()
        except BaseException:
            chat.stop()
            raise
    if refused is not None:
        raise refused


def _call(chat: Chat, number: int, examples: tuple[str, ...], message: str) -> Call:
    """One call; an answer without prompts is a failed one, not an error."""
    try:
        answer = chat.ask(message)
    except MalformedAnswer as error:
        return Call(number, "failed", examples, None, str(error))
    fault = None if parse_answer(answer.text) else "the answer holds no prompt"
    return Call(
        number,
        "success" if fault is None else "failed",
        examples,
        answer.text,
        fault,
        answer.finish,
        answer.usage,
        answer.attempts,
    )


def _draw_examples(
    config: LlmConfig, given: Sequence[str], own: Sequence[str], number: int
) -> tuple[str, ...]:
    """The examples of a call, drawn and shuffled by the seed and the call's number."""
    random = Random(stable_id(METHOD, config.seed, number))
    shown = random.sample(given, min(config.given, len(given)))
    shown += random.sample(own, min(config.own, len(own)))
    random.shuffle(shown)
    return tuple(shown)


def _message(config: LlmConfig, examples: Sequence[str]) -> str:
    command = config.command.replace("{count}", str(config.per_call)).strip()
    if not examples:
        return command
    listed = "\n".join(f"{number}. {text}" for number, text in enumerate(examples, start=1))
    return f"{command}\n\nExamples:\n{listed}"
