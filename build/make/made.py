"""Made prompts with their parents (columns of MADE and a method's own) -> a prompt file, a record.

NAME.parquet | .jsonl | .txt   what `corpus.source: files` reads; a .txt holds the prompts alone
NAME.record.parquet            beside a .txt: its rows with their parents
NAME.made.json                 settings and counts, written last: the file is whole when it is there
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from unprompt.index.base.durable import digest_json, read_json, write_atomically, write_json
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.tables import check_schema, write_table

MADE = pl.Schema(
    {
        "prompt": pl.String(),
        "method": pl.String(),
        "parents": pl.List(pl.String()),  # the captions, terms or examples that it was made of
    }
)
SUFFIXES = (".parquet", ".jsonl", ".txt")


@dataclass(frozen=True)
class Made:
    """What a method made: distinct prompts in order, and counts of what it left out."""

    table: pl.DataFrame  # MADE, then the method's own columns
    report: Mapping[str, Any]


class MadeFile:
    """A file of made prompts: whether it is there already, and how it is written."""

    def __init__(self, path: Path, overwrite: bool = False):
        if path.suffix.lower() not in SUFFIXES:
            raise ConfigError(
                f"--output {path} must end in one of {', '.join(SUFFIXES)}; name such a file"
            )
        self.path, self._overwrite = path, overwrite

    @property
    def marker(self) -> Path:
        """The file that says that the prompts are whole."""
        return self.path.with_name(f"{self.path.stem}.made.json")

    def finished(self, settings: Mapping[str, Any]) -> dict[str, Any] | None:
        """The marker's content where these settings made the file; None where it is to be made.

        Raises ConfigError where the path holds anything else, unless it may be overwritten.
        """
        if self._overwrite or not self.path.exists():
            return None
        if self.marker.is_file():
            found: dict[str, Any] = read_json(self.marker)
            if found.get("digest") == digest_json(settings) and found.get("file") == self.path.name:
                return found
        raise ConfigError(
            f"{self.path} is there already, made with other settings; choose another --output, "
            "or --overwrite to make it anew"
        )

    def write(self, made: Made, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Write the prompts, then the marker; returns the marker's content."""
        table = pl.concat(
            [check_schema(made.table, MADE, "the made prompts"), made.table.drop(list(MADE))],
            how="horizontal",
        )
        self.marker.unlink(missing_ok=True)
        if self.path.suffix.lower() == ".parquet":
            write_table(self.path, table)
        elif self.path.suffix.lower() == ".jsonl":
            with write_atomically(self.path) as temporary:
                table.write_ndjson(temporary)
        else:
            write_table(self.path.with_name(f"{self.path.stem}.record.parquet"), table)
            with write_atomically(self.path) as temporary:
                text = "".join(f"{prompt}\n" for prompt in table["prompt"])
                temporary.write_text(text, encoding="utf-8")
        content = {
            "file": self.path.name,
            "prompts": table.height,
            "report": dict(made.report),
            "digest": digest_json(settings),
            "settings": dict(settings),
        }
        write_json(self.marker, content)
        return content
