"""`unprompt make llm`: an endpoint, or files of answers -> a file of prompts and a log of calls."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from unprompt.build.make.llm.answers import answers_of
from unprompt.build.make.llm.call_log import CallLog
from unprompt.build.make.llm.chat import ChatClient, Endpoint
from unprompt.build.make.llm.collect import METHOD, LlmConfig, collect_answers
from unprompt.build.make.llm.generate import ask_model, first_message
from unprompt.build.make.prompt_file import MadePrompts
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.progress import Progress
from unprompt.index.base.settings import write_settings
from unprompt.ui.jobs.make.make import Destination, PromptSource, make_once, settings_of

BUDGET = ("count", "max_calls", "least_words", "max_tokens")  # may change between two runs


def run_llm(endpoint: Endpoint, source: PromptSource, config: LlmConfig, to: Destination) -> None:
    """Call the model until there are enough prompts; a rerun repeats no call in the log."""
    examples = example_prompts(source)
    # All that decides the message of each call.
    asked = {name: value for name, value in write_settings(config).items() if name not in BUDGET}
    settings = {
        "method": METHOD,
        **asked,
        "examples": examples,
        "model": endpoint.model,
        "temperature": endpoint.temperature,
    }
    log_path = to.path.with_name(f"{to.path.stem}.calls.jsonl")

    def make(progress: Progress) -> MadePrompts:
        log = CallLog(log_path, settings)
        return ask_model(ChatClient(endpoint, progress.note), config, examples, log, progress)

    # The log gives the prompts of its calls again, so that the file may be replaced.
    to = Destination(to.path, to.overwrite or log_path.is_file(), to.as_json)
    budget = {name: getattr(config, name) for name in BUDGET}
    make_once(to, {**settings, "budget": budget}, make, config.count)


def run_answers(
    paths: Sequence[Path], source: PromptSource, config: LlmConfig, to: Destination
) -> None:
    """Read the prompts in files of answers, without a network."""
    examples = example_prompts(source)
    answers = [answer for path in paths for answer in answers_of(str(path), _read(path))]
    settings = {**settings_of(METHOD, config, PromptSource(paths)), "examples": examples}
    make_once(to, settings, lambda _: collect_answers(answers, config, examples), config.count)


def llm_config(command: Path | None, settings: Mapping[str, Any]) -> LlmConfig:
    """The settings, with the command from a file if one is given."""
    if command is None:
        return LlmConfig(**settings)
    return LlmConfig(**settings, command=_read(command))


def show_message(source: PromptSource, config: LlmConfig) -> None:
    """Print the message of the first call."""
    print(first_message(config, example_prompts(source)))


def example_prompts(source: PromptSource) -> list[str]:
    """The user's examples; empty if no file is given."""
    if not source.paths:
        return []
    source.identity()
    return source.read()["prompt"].to_list()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from error
