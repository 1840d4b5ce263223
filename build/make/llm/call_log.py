"""The calls of a language model as JSON lines: the settings first, then one line per call.

Each line is synced to disk before a later call depends on it. A kill can leave an incomplete last
line, which is removed when the log is opened again.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from unprompt.index.base.durable import digest_json
from unprompt.index.base.errors import ConfigError, DamagedFileError, UnpromptError
from unprompt.index.base.settings import STRICT

FORMAT = 1


@dataclass(frozen=True, config=STRICT)
class Call:
    """One call: the examples shown, and the answer."""

    number: int
    status: Literal["success", "failed"]
    examples: tuple[str, ...]
    answer: str | None
    error_message: str | None = None
    finish: str | None = None  # "length" if the token limit cut the answer short
    usage: dict[str, Any] = Field(default_factory=dict)
    attempts: int = 1


class CallLog:
    """The calls in a file, by number; new calls are appended."""

    def __init__(self, path: Path, settings: Mapping[str, Any]):
        """Open or start a log; raises ConfigError if the file was started with other settings."""
        self.path = path
        self._calls: dict[int, Call] = {}
        lines = list(self._whole_lines()) if path.is_file() else []
        if not lines:
            self._append({"calls": FORMAT, "digest": digest_json(settings), **settings}, "wb")
            return
        if lines[0].get("digest") != digest_json(settings):
            different = sorted(
                name for name, value in settings.items() if lines[0].get(name) != value
            )
            raise ConfigError(
                f"{path} holds calls of other settings ({', '.join(different) or 'no settings'} "
                "differ); choose another --output, or delete the log to start again"
            )
        for line, value in enumerate(lines[1:], start=2):
            try:
                call = TypeAdapter(Call).validate_python(value)
            except ValidationError as error:
                raise DamagedFileError(f"{path}:{line} is not a call: {error}") from error
            self._calls.setdefault(call.number, call)

    def __len__(self) -> int:
        return len(self._calls)

    def __contains__(self, number: int) -> bool:
        return number in self._calls

    def __getitem__(self, number: int) -> Call:
        return self._calls[number]

    def __iter__(self) -> Iterator[Call]:
        """The calls by number, which is not always the order in which they ended."""
        return (self._calls[number] for number in sorted(self._calls))

    def add(self, call: Call) -> None:
        """Append a call; it is on disk when this returns."""
        self._append(TypeAdapter(Call).dump_python(call, mode="json"), "ab")
        self._calls[call.number] = call

    def _append(self, value: Mapping[str, Any], mode: str) -> None:
        line = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open(mode) as handle:
                handle.write(line + b"\n")
                handle.flush()
                os.fsync(handle.fileno())
        except OSError as error:
            raise UnpromptError(
                f"cannot write {self.path}: {error.strerror or error}; free some space and run "
                "the same command again; finished calls are kept"
            ) from error

    def _whole_lines(self) -> Iterator[dict[str, Any]]:
        content = self.path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(self.path, whole)
        for number, line in enumerate(content[:whole].splitlines(), start=1):
            try:
                value = json.loads(line)
            except ValueError as error:
                raise DamagedFileError(
                    f"{self.path}:{number} is not valid JSON ({error}); delete that line"
                ) from error
            if not isinstance(value, dict):
                raise DamagedFileError(
                    f"{self.path}:{number} is not a JSON object; delete that line"
                )
            yield value
