"""A run folder -> which stages were begun or are done, and with which settings.

RUN/stages/NAME.json holds one record per stage.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unprompt.index.base.durable import read_json, write_json
from unprompt.index.base.errors import ConfigError

FOLDER = "stages"


class StageLedger:
    """Decides whether a stage starts, continues, or is left as it is."""

    def __init__(self, run: Path):
        self.run = run

    def begin(self, stage: str, settings: Mapping[str, Any]) -> bool:
        """Record the start of a stage; returns whether it is still to be done.

        `settings` are all that decide its output, those of earlier stages included. Raises
        ConfigError if the stage was begun with other settings.
        """
        path = self._path(stage)
        if path.is_file():
            changed = self._changed(stage, settings)
            if changed:
                raise ConfigError(
                    f"{self.run} began its stage {stage} with other settings ({changed}); choose "
                    "another --output, or --overwrite to delete this stage and those after it"
                )
            return not self.is_done(stage)
        self._write(stage, settings, "begun")
        return True

    def finish(self, stage: str, settings: Mapping[str, Any]) -> None:
        """Record that all files of the stage are written."""
        self._write(stage, settings, "done")

    def reopen(self, stage: str) -> None:
        """Mark a finished stage as unfinished; its files stay."""
        path = self._path(stage)
        if path.is_file():
            self._write(stage, read_json(path)["settings"], "begun")

    def forget(self, stage: str) -> None:
        """Delete the record of a stage."""
        self._path(stage).unlink(missing_ok=True)

    def is_begun(self, stage: str) -> bool:
        """Whether the stage was ever started in this folder."""
        return self._path(stage).is_file()

    def is_done(self, stage: str) -> bool:
        """Whether the stage is finished, with any settings."""
        path = self._path(stage)
        return path.is_file() and read_json(path)["state"] == "done"

    def settings(self, stage: str) -> dict[str, Any]:
        """The settings that began the stage; raises DamagedFileError where it was not begun."""
        return dict(read_json(self._path(stage))["settings"])

    def differs(self, stage: str, settings: Mapping[str, Any]) -> bool:
        """Whether the stage was begun with other settings."""
        return self._path(stage).is_file() and bool(self._changed(stage, settings))

    def _changed(self, stage: str, settings: Mapping[str, Any]) -> str:
        """The differences from the settings that began the stage; empty if there are none."""
        return _differences(self.settings(stage), json.loads(json.dumps(settings)))

    def _write(self, stage: str, settings: Mapping[str, Any], state: str) -> None:
        record = {"settings": settings, "state": state}
        write_json(self._path(stage), record)

    def _path(self, stage: str) -> Path:
        return self.run / FOLDER / f"{stage}.json"


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> str:
    """The differences in words; a setting that is absent counts as null."""
    parts = []
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if isinstance(before, dict) and isinstance(after, dict):
            inner = _differences(before, after, f"{prefix}{name}.")
            parts += [inner] if inner else []
        elif before != after:
            parts.append(f"{prefix}{name} was {before!r}, is {after!r}")
    return ", ".join(parts)
