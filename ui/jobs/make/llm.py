"""`unprompt make llm`: an endpoint, or files of answers -> a file of prompts and a log of calls."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unprompt.build.make.captions import read_captions
from unprompt.build.make.llm.answers import answers_of
from unprompt.build.make.llm.call_log import CallLog
from unprompt.build.make.llm.chat import ChatClient, Endpoint
from unprompt.build.make.llm.gather import METHOD, LlmConfig, gather_answers
from unprompt.build.make.llm.generate import ask_model, first_message
from unprompt.build.make.made import Made
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.progress import Progress
from unprompt.index.base.settings import write_settings
from unprompt.ui.jobs.make.make import Destination, Source, finish, inputs_of, settings_of

BUDGET = ("count", "max_calls", "least_words", "max_tokens")  # may change between two runs


@dataclass(frozen=True)
class Model:
    """Whom to ask."""

    url: str
    name: str
    key_variable: str
    temperature: float | None = None
    timeout_seconds: float = 180.0
    retries: int = 5

    def endpoint(self) -> Endpoint:
        """With the key of the environment, which is the only place it is read from."""
        return Endpoint(
            self.url,
            self.name,
            os.environ.get(self.key_variable) or None,
            self.temperature,
            self.timeout_seconds,
            self.retries,
        )


def run_llm(model: Model, examples: Source, config: LlmConfig, to: Destination) -> None:
    """Ask until there are prompts enough; a rerun takes the calls in the log as made."""
    endpoint = model.endpoint()
    texts = example_prompts(examples)
    settings = {**_settings(config, texts), "model": model.name, "temperature": model.temperature}
    log_path = to.path.with_name(f"{to.path.stem}.calls.jsonl")

    def make(progress: Progress) -> Made:
        log = CallLog(log_path, settings)
        return ask_model(ChatClient(endpoint, progress.note), config, texts, log, progress)

    # with a log there is nothing to lose: its calls give the same prompts, and more if asked for
    to = Destination(to.path, to.overwrite or log_path.is_file(), to.as_json)
    budget = {name: getattr(config, name) for name in BUDGET}
    finish(to, {**settings, "budget": budget}, make, config.count)


def run_answers(
    paths: Sequence[Path], examples: Source, config: LlmConfig, to: Destination
) -> None:
    """The prompts in answers that came by another way, without a network."""
    texts = example_prompts(examples)
    answers = [answer for path in paths for answer in answers_of(str(path), _read(path))]
    settings = {**settings_of(METHOD, config, Source(paths)), "examples": texts}
    finish(to, settings, lambda _: gather_answers(answers, config, texts), config.count)


def llm_config(command: Path | None, settings: Mapping[str, Any]) -> LlmConfig:
    """The settings, with the command of a file if there is one."""
    if command is None:
        return LlmConfig(**settings)
    return LlmConfig(**settings, command=_read(command))


def show_message(examples: Source, config: LlmConfig) -> None:
    """Print what the first call would ask."""
    print(first_message(config, example_prompts(examples)))


def example_prompts(source: Source) -> list[str]:
    """The user's examples; none are needed."""
    if not source.paths:
        return []
    inputs_of(source)
    return read_captions(source.paths, source.column).table["prompt"].to_list()


def _settings(config: LlmConfig, examples: Sequence[str]) -> dict[str, Any]:
    """All that decides what is asked in which call."""
    asked = {name: value for name, value in write_settings(config).items() if name not in BUDGET}
    return {"method": METHOD, **asked, "examples": list(examples)}


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from error
