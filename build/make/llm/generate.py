"""A command, example prompts and a language model -> new prompts, call by call.

The recipe is the 2nd place's: each call shows a new random choice of 4 given examples and 3 of the
model's own earlier prompts, so that no two messages are equal. The concurrent calls of a round see
none of one another's prompts, so that their order does not change the result.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice
from random import Random

from unprompt.build.make.llm.answers import parse_answer
from unprompt.build.make.llm.call_log import Call, CallLog
from unprompt.build.make.llm.chat import ChatClient, MalformedAnswer
from unprompt.build.make.llm.collect import METHOD, LlmConfig, PromptCollector
from unprompt.build.make.prompt_file import MadePrompts
from unprompt.index.base.durable import stable_id
from unprompt.index.base.errors import EndpointError
from unprompt.index.base.progress import SILENT, Progress

MAX_FAILED_IN_A_ROW = 5  # more mean that the endpoint is broken


def ask_model(
    chat: ChatClient,
    config: LlmConfig,
    examples: Sequence[str],
    log: CallLog,
    progress: Progress = SILENT,
) -> MadePrompts:
    """Call until there are `config.count` prompts, or `config.max_calls` calls in the log.

    Calls in the log are not repeated. Raises EndpointError if the endpoint refuses, or answers
    without prompts several times in a row; the log keeps all earlier calls.
    """
    collector = PromptCollector(config, examples)
    prompts = islice(_prompts(chat, config, examples, log, collector), config.count)
    for _ in progress.track(prompts, METHOD, config.count):
        progress.detail(f"{len(log)} calls")
    return collector.made(len(log), sum(call.status == "failed" for call in log))


def first_message(config: LlmConfig, examples: Sequence[str]) -> str:
    """The message of the first call, to send by hand."""
    return _message(config, _draw_examples(config, examples, (), 0))


def _prompts(
    chat: ChatClient,
    config: LlmConfig,
    examples: Sequence[str],
    log: CallLog,
    collector: PromptCollector,
) -> Iterator[str]:
    """New prompts, round by round, until no call is left."""
    in_a_row = 0
    for first in itertools.count(0, config.parallel):
        numbers = range(first, first + config.parallel)
        missing = [number for number in numbers if number not in log]
        own = collector.prompts
        shown = {
            number: _draw_examples(config, examples, own, number)
            for number in missing[: max(0, config.max_calls - len(log))]
        }
        _make_calls(chat, config, shown, log)
        known = [log[number] for number in numbers if number in log]
        if not known:
            return
        for call in known:
            before = len(collector.prompts)
            collector.add(call.answer or "", call.examples)
            in_a_row = in_a_row + 1 if call.number in shown and call.status == "failed" else 0
            if in_a_row == MAX_FAILED_IN_A_ROW:
                raise EndpointError(
                    f"{in_a_row} calls in a row gave no prompt, the last one: "
                    f"{call.error_message}; see {log.path}"
                )
            yield from collector.prompts[before:]


def _make_calls(
    chat: ChatClient, config: LlmConfig, shown: Mapping[int, tuple[str, ...]], log: CallLog
) -> None:
    """Make the calls of a round in threads; each is logged as soon as it is answered."""

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


def _call(chat: ChatClient, number: int, examples: tuple[str, ...], message: str) -> Call:
    """Make one call; an answer without prompts is a failed call, not an error."""
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
    """The examples of a call, sampled and shuffled by the seed and the number of the call."""
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
