"""Batch records -> a results file (parquet, csv or jsonl), appended as they come, safe to resume.

While a batch runs its records are lines of `OUTPUT.partial`, each complete on its own; the same
command goes on after the last whole line. The results file itself appears at the end, whole.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from unprompt.index.base.durable import digest_json, write_atomically
from unprompt.index.base.errors import ConfigError, DamagedFileError, UnpromptError
from unprompt.inversion.answer import Candidate
from unprompt.inversion.batch.formats import encode_vector, row_vectors, write_results
from unprompt.inversion.batch.run import BatchRecord

FORMATS = (".parquet", ".csv", ".jsonl")


class ResultsLog:
    """The records of one batch, kept on disk while it runs."""

    def __init__(self, output: Path, identity: dict[str, Any]):
        check_format(output)
        self.output = output
        self.partial = output.with_name(output.name + ".partial")
        self._header = header_line(identity)

    def done(self) -> set[str]:
        """Names of the pictures that an interrupted run of the same batch has finished."""
        return {row["image"] for row in self.rows()}

    def discard(self) -> None:
        """Remove the partial file of a batch whose records are wanted in another form."""
        self.partial.unlink(missing_ok=True)

    @contextmanager
    def open(self) -> Iterator[TextIO]:
        """The partial file, ready to append after its last whole line.

        Raises UnpromptError where it cannot be written, for instance on a full disk.
        """
        whole = "".join(json.dumps(row) + "\n" for row in self.rows())
        with write_atomically(self.partial) as temporary:
            temporary.write_text(f"{self._header}\n{whole}", encoding="utf-8")
        try:
            with self.partial.open("a", encoding="utf-8") as lines:
                yield lines
        except OSError as error:
            raise UnpromptError(
                f"cannot write {self.partial}: {error.strerror or error}; free some space, then "
                "run the same command again: it goes on after the last picture written"
            ) from error

    def finish(self) -> int:
        """Turn the partial file into the results file; returns the number of rows."""
        count = write_results(self.output, self.rows)
        self.partial.unlink()
        return count

    def vectors(self) -> Iterator[tuple[str, np.ndarray]]:
        """(image_id, vector) of every picture that could be inverted, in order."""
        return row_vectors(self.rows())

    def rows(self) -> Iterator[dict[str, Any]]:
        """The whole lines of the partial file, as `record_row` made them."""
        if self.partial.is_file():
            yield from read_lines(self.partial, self._header)


def check_format(output: Path) -> None:
    """Raises ConfigError for a results file of a kind that is not written here."""
    if output.suffix.lower() not in FORMATS:
        raise ConfigError(
            f"--output {output} must end in one of {', '.join(FORMATS)}, got {output.suffix!r}"
        )


def header_line(identity: dict[str, Any]) -> str:
    """The first line of a file of records: all that decides what the others say."""
    return json.dumps({"batch": digest_json(identity)})


def read_lines(path: Path, header: str) -> Iterator[dict[str, Any]]:
    """The whole lines after the header; raises ConfigError where that is another one."""
    with path.open(encoding="utf-8") as lines:
        check_header(path, lines, header)
        for line in lines:
            if line.endswith("\n"):
                yield _parse(line, path)


def check_header(path: Path, lines: TextIO, header: str) -> None:
    """Read the first line; raises ConfigError where it is not `header`."""
    if lines.readline().rstrip("\n") != header:
        raise ConfigError(
            f"{path} was left by a batch with another bundle, other settings or other pictures; "
            "finish that one, delete the file, or choose another --output"
        )


def _parse(line: str, path: Path) -> dict[str, Any]:
    try:
        row: dict[str, Any] = json.loads(line)
    except json.JSONDecodeError as error:
        raise DamagedFileError(
            f"{path} is damaged ({error}); delete it and run the same command again"
        ) from error
    return row


def append_record(log: TextIO, record: BatchRecord) -> None:
    """Write one record as one line and hand it to the disk."""
    log.write(record_line(record))
    log.flush()
    os.fsync(log.fileno())


def record_line(record: BatchRecord) -> str:
    """One record as one line."""
    return row_line(record_row(record))


def row_line(row: dict[str, Any]) -> str:
    """One row as one line."""
    return json.dumps(row) + "\n"


def record_row(record: BatchRecord) -> dict[str, Any]:
    """A record as JSON values; the vector is base64 of little-endian float32."""
    answer = record.inversion
    written = answer.metadata_prompt if answer else None
    return {
        "image": record.image,
        "image_id": record.image_id,
        "status": record.status,
        "error_message": record.error_message,
        "prompt": answer.prompt if answer else None,
        "negative_prompt": answer.negative_prompt if answer else None,
        "metadata_prompt": written.prompt if written else None,
        "expected_cosine": _rounded(answer.expected_cosine if answer else None),
        "outside": answer.outside if answer else None,
        "novelty": _rounded(answer.novelty if answer else None),
        "score": answer.candidates[0].score if answer and answer.candidates else None,
        "alpha": answer.alpha if answer else None,
        "candidates": [_candidate(c) for c in answer.candidates] if answer else [],
        "neighbors": [_neighbor(n) for n in answer.neighbors] if answer else [],
        "vector": encode_vector(answer.vector) if answer else None,
    }


def _candidate(candidate: Candidate) -> dict[str, Any]:
    return {
        "prompt": candidate.prompt,
        "score": round(candidate.score, 6),
        "row_id": candidate.row_id,
    }


def _neighbor(neighbor: Candidate) -> dict[str, Any]:
    return {
        "prompt": neighbor.prompt,
        "similarity": round(neighbor.similarity, 6),
        "weight": round(neighbor.weight, 6),
        "row_id": neighbor.row_id,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
