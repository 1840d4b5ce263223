"""`validation.npz` beside a bundle: what its world says of pairs that it was fitted without.

A world knows the pairs that it was trained on too well. Its training writes the answers of models
that left out the source of each picture; the fit of a router takes them in place of the world's
own. The arrays are `path_key` (n,), the `name` of each picture in its labelled pairs, `answers`
(n, d_prompt) and `signals` (n, s). Further arrays are not read. No seal records the file.
"""

import zlib
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile, ZipFile

import numpy as np

from unprompt.index.base.durable import write_atomically
from unprompt.index.base.errors import DamagedFileError
from unprompt.index.base.safe.plain_files import open_regular
from unprompt.index.bundle.bundle import VALIDATION
from unprompt.index.encoders.protocols import to_unit_length
from unprompt.inversion.estimate.gate import SIGNALS
from unprompt.inversion.fit.views import WorldView

BROKEN = (OSError, ValueError, KeyError, EOFError, RecursionError, BadZipFile, zlib.error)
MAX_BYTES = 256 * 2**20  # of all arrays: 100,000 pictures


class Validation(NamedTuple):
    """Answers of a world to n of its own pictures, as to strangers."""

    names: tuple[str, ...]
    answers: np.ndarray  # (n, d_prompt) float32
    signals: np.ndarray  # (n, s) float64, in the order of gate.SIGNALS

    def replace_in(self, view: WorldView, names: list[str], own: np.ndarray) -> WorldView:
        """The view with these answers and signals where `own` (m,) is set and the name known."""
        places = {name: place for place, name in enumerate(self.names)}
        rows = [row for row, name in enumerate(names) if own[row] and name in places]
        told = [places[names[row]] for row in rows]
        answers, signals = view.answers.copy(), view.signals.copy()
        answers[rows] = to_unit_length(self.answers[told])
        signals[rows] = self.signals[told]
        return WorldView(
            view.name, view.space, view.keys, signals, answers, view.confidence, view.mean
        )


def write_validation(bundle: Path, validation: Validation) -> None:
    """Write `validation.npz` into the folder of a bundle, before or after it is sealed."""
    with write_atomically(bundle / VALIDATION) as temporary, temporary.open("wb") as handle:
        np.savez_compressed(
            handle,
            path_key=np.array(validation.names, dtype=np.str_),
            answers=validation.answers.astype(np.float32),
            signals=validation.signals.astype(np.float64),
        )


def read_validation(bundle: Path, dim: int) -> Validation | None:
    """Read `validation.npz` of a bundle whose targets have `dim` numbers; None without the file.

    Raises DamagedFileError for a file that does not hold the arrays.
    """
    path = bundle / VALIDATION
    if not path.is_file():
        return None
    try:
        with open_regular(path) as handle:
            _check_sizes(handle)
            with np.load(handle, allow_pickle=False) as file:
                arrays = {name: file[name] for name in ("path_key", "answers", "signals")}
    except BROKEN as error:
        raise DamagedFileError(f"{path} is broken: {error}. {_REMEDY}") from error
    names = tuple(str(name) for name in arrays["path_key"])
    wanted = {"answers": (len(names), dim), "signals": (len(names), len(SIGNALS))}
    for name, shape in wanted.items():
        if arrays[name].shape != shape or not np.isfinite(arrays[name]).all():
            raise DamagedFileError(
                f"{path}: `{name}` must be {shape} finite numbers, got {arrays[name].shape}. "
                f"{_REMEDY}"
            )
    return Validation(names, arrays["answers"], arrays["signals"])


def _check_sizes(handle: BufferedReader) -> None:
    """Raise ValueError for an archive that unpacks into more than `MAX_BYTES`."""
    with ZipFile(handle) as archive:
        total = sum(member.file_size for member in archive.infolist())
    if total > MAX_BYTES:
        raise ValueError(f"it unpacks into {total:,} bytes, at most {MAX_BYTES:,} are read")
    handle.seek(0)


_REMEDY = "Write it with `write_validation`, or remove the file to ask the world itself."
