"""`unprompt invert`: paths -> prompts on the terminal, or a results file, or a submission."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unprompt.index.settings import write_settings
from unprompt.inversion.batch import BatchRecord, invert_pictures, printable
from unprompt.inversion.inputs import PictureInput, find_pictures
from unprompt.inversion.inverter import Candidate, Inverter
from unprompt.inversion.results import ResultsLog, append_record
from unprompt.inversion.submission import write_submission
from unprompt.ui.progress import choose_progress


@dataclass(frozen=True)
class InvertRequest:
    """What the user asked for."""

    paths: tuple[str, ...]
    bundle: Path | None
    as_json: bool
    output: Path | None
    submission: Path | None
    candidates: int


def run_invert(request: InvertRequest) -> int:
    """Invert and print or write; returns the exit code, 1 if a picture could not be read."""
    pictures = list(find_pictures(request.paths))
    inverter = Inverter.load(request.bundle)
    if request.output or request.submission:
        return _write_files(request, inverter, pictures)
    failed = 0
    for record in invert_pictures(inverter, pictures, request.candidates):
        failed += record.inversion is None
        _print_record(record, request.as_json)
    return 1 if failed else 0


def _write_files(request: InvertRequest, inverter: Inverter, pictures: list[PictureInput]) -> int:
    output = request.output or _beside(request.submission)
    log = ResultsLog(output, _identity(request, inverter))
    done = log.done()
    left = [picture for picture in pictures if printable(picture.name) not in done]
    progress = choose_progress()
    if done:
        progress.note(f"going on after {len(done)} pictures of an earlier run")
    with log.open() as lines:
        records = invert_pictures(inverter, left, request.candidates)
        for record in progress.track(records, "invert", len(pictures), len(pictures) - len(left)):
            append_record(lines, record)
    failed = sum(row["status"] == "failed" for row in log.rows())
    if request.submission:
        count = write_submission(request.submission, log.vectors())
        progress.note(f"{count} images -> {request.submission}")
    if request.output:
        progress.note(f"{log.finish()} rows -> {request.output}")
    else:
        log.discard()
    if failed:
        progress.note(f"{failed} pictures could not be read: see status and error_message")
    return 1 if failed else 0


def _beside(submission: Path | None) -> Path:
    return Path(f"{submission}.jsonl")


def _identity(request: InvertRequest, inverter: Inverter) -> dict[str, Any]:
    manifest = inverter.index.manifest
    return {
        "space": manifest.space,
        "index": {name: record.sha256 for name, record in manifest.files.items()},
        "blend": write_settings(inverter.blend),
        "candidates": request.candidates,
    }


def _print_record(record: BatchRecord, as_json: bool) -> None:
    if as_json:
        print(json.dumps(_as_json(record), ensure_ascii=False), flush=True)
    elif record.inversion is None:
        print(f"{record.image}: {record.error_message}", file=sys.stderr)
    else:
        print("\n".join(_as_text(record)), flush=True)


def _as_json(record: BatchRecord) -> dict[str, Any]:
    answer = record.inversion
    shown: dict[str, Any] = {
        "image": record.image,
        "status": record.status,
        "error_message": record.error_message,
    }
    if answer:
        shown |= {
            "prompt": answer.prompt,
            "candidates": [candidate._asdict() for candidate in answer.candidates],
            "neighbors": [neighbor._asdict() for neighbor in answer.neighbors],
            "alpha": answer.alpha,
            "vector": [round(float(value), 7) for value in answer.vector],
        }
    return shown


def _as_text(record: BatchRecord) -> Iterator[str]:
    answer = record.inversion
    if answer is None:
        return
    yield f"{record.image}: {answer.prompt}"
    yield from (_candidate_line(candidate) for candidate in answer.candidates)


def _candidate_line(candidate: Candidate) -> str:
    return f"  {candidate.score:.3f}  {candidate.weight:6.1%}  {candidate.prompt}"
