"""Which stages of a run are begun and done, and with which settings: RUN/stages/NAME.json."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unprompt.index.durable import digest_json, read_json, write_json
from unprompt.index.errors import ConfigError

FOLDER = "stages"


class StageLedger:
    """Decides whether a stage is to run, to go on, or to be left alone."""

    def __init__(self, run: Path):
        self.run = run

    def begin(self, stage: str, settings: Mapping[str, Any]) -> bool:
        """Whether there is work left; raises ConfigError if other settings began this stage.

        `settings` is all that decides the stage's output, the stages before it included.
        """
        path = self._path(stage)
        if path.is_file():
            begun = read_json(path)
            if begun["digest"] != digest_json(settings):
                raise ConfigError(
                    f"{self.run} began its stage {stage} with other settings "
                    f"({_differences(begun['settings'], settings)}); choose another --output, or "
                    "--overwrite to delete this stage and those after it"
                )
            return bool(begun["state"] != "done")
        self._write(stage, settings, "begun")
        return True

    def finish(self, stage: str, settings: Mapping[str, Any]) -> None:
        """Record that the stage's files are all there."""
        self._write(stage, settings, "done")

    def reopen(self, stage: str) -> None:
        """Let a finished stage run again; its finished files stay."""
        path = self._path(stage)
        if path.is_file():
            self._write(stage, read_json(path)["settings"], "begun")

    def forget(self, stage: str) -> None:
        """Drop the record of a stage whose files were deleted."""
        self._path(stage).unlink(missing_ok=True)

    def is_begun(self, stage: str) -> bool:
        """Whether the stage was started, by this run or an earlier one."""
        return self._path(stage).is_file()

    def is_done(self, stage: str) -> bool:
        """Whether the stage finished, with whatever settings."""
        path = self._path(stage)
        return path.is_file() and read_json(path)["state"] == "done"

    def settings(self, stage: str) -> dict[str, Any]:
        """The settings that the stage was begun with; raises DamagedFileError where it was not."""
        return dict(read_json(self._path(stage))["settings"])

    def differs(self, stage: str, settings: Mapping[str, Any]) -> bool:
        """Whether the stage was begun with other settings."""
        path = self._path(stage)
        return path.is_file() and read_json(path)["digest"] != digest_json(settings)

    def _write(self, stage: str, settings: Mapping[str, Any], state: str) -> None:
        record = {"digest": digest_json(settings), "settings": settings, "state": state}
        write_json(self._path(stage), record, shared=True)

    def _path(self, stage: str) -> Path:
        return self.run / FOLDER / f"{stage}.json"


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> str:
    parts = []
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if isinstance(before, dict) and isinstance(after, dict):
            inner = _differences(before, after, f"{prefix}{name}.")
            parts += [inner] if inner else []
        elif before != after:
            parts.append(f"{prefix}{name} was {before!r}, is {after!r}")
    return ", ".join(parts)
