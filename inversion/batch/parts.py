"""Pictures -> files OUTPUT.parts/00000.jsonl with the answers of 64 pictures each -> all rows.

Parts follow the order of the pictures. A part that exists is finished: any process may make any
part, none is made twice, and a killed batch loses the parts in work alone.
"""

import json
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from unprompt.index.base.durable import (
    digest_json,
    write_atomically,
)
from unprompt.index.base.errors import ConfigError, DamagedFileError, UnpromptError
from unprompt.index.base.settings import write_settings
from unprompt.index.bundle.bundle import BLEND, INDEX, ROUTER, digest_bundle
from unprompt.index.store.manifest import read_index_manifest
from unprompt.inversion.batch.inputs import PictureInput
from unprompt.inversion.batch.run import invert_pictures, printable
from unprompt.inversion.estimate.blend import load_blend
from unprompt.inversion.inverter import Inverter
from unprompt.inversion.query import Query

PART = 64  # pictures per part; whole batches, so that the cut changes no answer


class Part(NamedTuple):
    """A run of pictures and the file that holds their answers."""

    path: Path
    header: str  # first line of the file: digest of bundle, settings and the pictures' names
    pictures: Sequence[PictureInput]

    def is_finished(self) -> bool:
        """Whether the file exists; raises ConfigError if it belongs to another batch."""
        return next(self._lines(), None) is not None

    def write(self, rows: Iterable[dict[str, Any]]) -> None:
        """Write the file whole or not at all; several processes may do so at the same time."""
        lines = (json.dumps(row) + "\n" for row in rows)
        with write_atomically(self.path) as temporary:
            temporary.write_text(f"{self.header}\n{''.join(lines)}", encoding="utf-8")

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows of the file; raises DamagedFileError if it is missing or cannot be parsed."""
        lines = self._lines()
        if next(lines, None) is None:
            raise DamagedFileError(f"{self.path} is missing; run the same command again")
        try:
            yield from map(json.loads, lines)
        except json.JSONDecodeError as error:
            raise DamagedFileError(
                f"{self.path} is damaged ({error}); delete it and run the same command again"
            ) from error

    def _lines(self) -> Iterator[str]:
        try:
            file = self.path.open(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return
        with file:
            first = file.readline()
            if first.rstrip("\n") != self.header:
                raise ConfigError(
                    f"{self.path} was left by a batch with another bundle, other settings or other "
                    f"pictures; finish that batch, delete {self.path.parent}, or choose another "
                    "--output"
                )
            yield first
            yield from file


@dataclass(frozen=True)
class InvertWork:
    """The recipe for parts: which bundle answers, and what is asked of every picture."""

    bundle: Path
    query: Query
    gpu_search: bool = False

    def load(self, threads: int | None) -> Callable[[Part], list[bool]]:
        """Load the bundle; the function writes one part and says which pictures could be read."""
        inverter = Inverter.load(self.bundle, threads)
        if self.gpu_search:
            inverter.use_gpus()

        def invert(part: Part) -> list[bool]:
            _make_folder(part.path.parent)  # an output that cannot be written fails at once
            records = list(invert_pictures(inverter, part.pictures, self.query))
            part.write(record.as_row() for record in records)
            return [record.inversion is not None for record in records]

        return invert

    def identity(self) -> dict[str, Any]:
        """Everything but the pictures that decides the answers, as JSON values."""
        manifest = read_index_manifest(self.bundle / INDEX)
        query = self.query
        identity = {
            "space": manifest.space,
            "index": {name: record.sha256 for name, record in manifest.files.items()},
            "blend": write_settings(query.blend or load_blend(self.bundle / BLEND)),
            "query": [query.candidates, query.compose, query.negative, query.metadata],
            "words": write_settings(query.words),
        }
        if (self.bundle / ROUTER).is_file():
            identity["worlds"] = digest_bundle(self.bundle)
        # An exact search finds other neighbors than the compressed codes now and then.
        return identity | ({"gpu_search": True} if self.gpu_search else {})


class ResultParts:
    """All parts of one batch, by number; `identity` is all else that decides the answers."""

    def __init__(self, output: Path, identity: dict[str, Any], pictures: Sequence[PictureInput]):
        self.folder = output.with_name(output.name + ".parts")
        self.parts: dict[int, Part] = {}
        for number, start in enumerate(range(0, len(pictures), PART)):
            own = pictures[start : start + PART]
            names = [printable(picture.name) for picture in own]
            header = json.dumps({"batch": digest_json({**identity, "pictures": names})})
            self.parts[number] = Part(self.folder / f"{number:05d}.jsonl", header, own)

    def unfinished(self) -> dict[int, Part]:
        """The parts still to be made; raises ConfigError if one belongs to another batch."""
        return {number: part for number, part in self.parts.items() if not part.is_finished()}

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows of all parts, in the order of the pictures."""
        for part in self.parts.values():
            yield from part.rows()

    def remove(self) -> None:
        """Delete the folder; other processes see all of it or nothing."""
        gone = self.folder.with_name(f"{self.folder.name}.{secrets.token_hex(4)}.tmp")
        try:
            self.folder.rename(gone)
        except FileNotFoundError:  # another process was first
            return
        shutil.rmtree(gone, ignore_errors=True)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnpromptError(
            f"cannot write {folder}: {error.strerror or error}; choose another output folder"
        ) from error
