"""Advice exists: every command, option and setting that a message names can be used."""

import dataclasses
import re
import types
import typing
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from message_texts import HOLE, Text, shown_texts

from unprompt.inversion.estimate.blend import Blend
from unprompt.inversion.estimate.router import RouterSettings
from unprompt.inversion.fit.pairs.config import PairsConfig
from unprompt.ui.jobs.build import STAGE_NAMES
from unprompt.ui.jobs.config import RunConfig

COMMAND = re.compile(r"`(unprompt [^`]+)`")
SECTIONS = "corpus|render|encoder|embed|index|fallback|fit|train|clip|blend|router|kernel|weights"
SETTING = re.compile(rf"(?<![\w./])(?:{SECTIONS})(?:\.[a-z_]+)+")
SET = re.compile(r"--set (?:')?([a-z_.]+)=")
VALUE = re.compile(rf"`((?:{SECTIONS})(?:\.[a-z_]+)+): ([^`{{}}]+)`")
FILES = ("json", "faiss", "safetensors", "parquet", "npy", "ivfdata", "sqlite", "tsv", "yaml")
YAML_ONLY = {"render.preset"}  # replaced by the section of that preset
MODULES = re.compile(r"unprompt\.|tests?\.|^[a-z_.]+$")  # names of modules and of tensors


class Command(NamedTuple):
    """A command as a message writes it."""

    words: tuple[str, ...]  # of its name, such as train, head
    options: tuple[str, ...]
    stages: tuple[str, ...]
    place: str


def named_commands() -> Iterator[Command]:
    for text, place in shown_texts():
        for found in COMMAND.findall(text):
            words = found.split()[1:]
            count = next((n for n, word in enumerate(words) if not word.islower()), len(words))
            plain = [word for word in words[:count] if re.fullmatch(r"[a-z-]*[a-z]", word)]
            name = tuple(word for word in plain if not word.startswith("-"))
            options = tuple(word for word in words if word.startswith("-") and word != "-")
            pairs = zip(words, words[1:], strict=False)
            stages = tuple(value for option, value in pairs if option == "--stage")
            yield Command(name, options, stages, place)


def settings_of(kind: Any) -> dict[str, Any]:
    """The fields of a dataclass behind unions, tuples and the like, with their types."""
    if dataclasses.is_dataclass(kind):
        return typing.get_type_hints(kind)
    found: dict[str, Any] = {}
    for argument in typing.get_args(kind):
        found |= settings_of(argument)
    return found


def roots() -> dict[str, Any]:
    """The sections of a config, and the other settings that messages name."""
    run = settings_of(RunConfig)
    own = {**settings_of(run.pop("build")), **run, **settings_of(PairsConfig)}
    return own | {"blend": Blend, "router": RouterSettings}


def find_setting(name: str) -> Any:
    """The type of `section.key`; None where there is no such setting."""
    section, *keys = name.split(".")
    kind = roots().get(section)
    for key in keys:
        kind = settings_of(kind).get(key)
    return kind


def allowed(kind: Any) -> set[str] | None:
    """The values of a Literal, as YAML writes them; None where other values are possible."""
    if typing.get_origin(kind) is typing.Literal:
        return {str(value) for value in typing.get_args(kind)}
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        parts = [allowed(part) for part in typing.get_args(kind) if part is not type(None)]
        if all(part is not None for part in parts):
            return {"null"}.union(*(part or () for part in parts))
    return None


def is_advice(text: Text) -> bool:
    return not MODULES.match(text.text) and HOLE + "." not in text.text


@pytest.fixture(scope="module")
def texts() -> list[Text]:
    found = [text for text in shown_texts() if is_advice(text)]
    assert len(found) > 500
    return found


def test_every_command_that_a_message_names_has_its_options(cli: Any) -> None:
    helps: dict[tuple[str, ...], str] = {}
    wrong = []
    found = list(named_commands())
    assert len(found) > 30
    for command in found:
        words = command.words
        if words not in helps:
            shown = cli(*words, "--help")
            helps[words] = " ".join(shown.out.split()) if shown.code == 0 else ""
        missing = [own for own in command.options if own not in helps[words]]
        if not helps[words] or missing or not set(command.stages) <= set(STAGE_NAMES):
            wrong.append((command, missing))
    assert not wrong


def test_every_setting_that_a_message_names_exists(texts: list[Text]) -> None:
    named = {
        (name, text.place)
        for text in texts
        for name in SETTING.findall(text.text)
        if name.rpartition(".")[2] not in FILES
    }
    assert len(named) > 60
    assert not {own for own in named if find_setting(own[0]) is None and own[0] not in YAML_ONLY}


def test_every_value_that_a_message_advises_is_allowed(texts: list[Text]) -> None:
    wrong = []
    for text in texts:
        for name, value in VALUE.findall(text.text):
            values = allowed(find_setting(name))
            if values is not None and value not in values:
                wrong.append((name, value, text.place))
    assert not wrong


def test_every_override_that_a_message_advises_exists(texts: list[Text]) -> None:
    known = roots().keys()
    named = {(name, text.place) for text in texts for name in SET.findall(text.text)}
    assert not {
        own for own in named if find_setting(own[0]) is None and own[0].split(".")[0] not in known
    }
