"""`unprompt invert`: paths -> prompts on the terminal, or a results file, or a submission."""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unprompt.index.settings import write_settings
from unprompt.inversion.batch import BatchRecord, invert_pictures, printable
from unprompt.inversion.blend import Blend
from unprompt.inversion.inputs import PictureInput, find_pictures
from unprompt.inversion.inversion import Candidate, Inversion
from unprompt.inversion.inverter import Inverter, Query
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
    query: Query
    settings: Mapping[str, Any]  # of neighbours and blend, over what was tuned


def run_invert(request: InvertRequest) -> int:
    """Invert and print or write; returns the exit code, 1 if a picture could not be read."""
    pictures = list(find_pictures(request.paths))
    inverter = Inverter.load(request.bundle)
    query = with_settings(request.query, inverter.blend, request.settings)
    if request.output or request.submission:
        return _write_files(request, inverter, query, pictures)
    failed = 0
    for record in invert_pictures(inverter, pictures, query):
        failed += record.inversion is None
        _print_record(record, request.as_json)
    return 1 if failed else 0


def with_settings(query: Query, tuned: Blend, settings: Mapping[str, Any]) -> Query:
    """The query with `k`, `temperature` or `alpha` in place of what was tuned."""
    wanted = {name: value for name, value in settings.items() if value is not None}
    alpha = wanted.pop("alpha", None)
    blend = tuned.with_knn(replace(tuned.knn, **wanted)) if wanted else tuned
    blend = blend if alpha is None else blend.with_alpha(alpha)
    return query if blend is tuned else replace(query, blend=blend)


def _write_files(
    request: InvertRequest, inverter: Inverter, query: Query, pictures: list[PictureInput]
) -> int:
    output = request.output or _beside(request.submission)
    log = ResultsLog(output, _identity(query, inverter))
    done = log.done()
    left = [picture for picture in pictures if printable(picture.name) not in done]
    progress = choose_progress()
    if done:
        progress.note(f"going on after {len(done)} pictures of an earlier run")
    with log.open() as lines:
        records = invert_pictures(inverter, left, query)
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


def _identity(query: Query, inverter: Inverter) -> dict[str, Any]:
    manifest = inverter.index.manifest
    return {
        "space": manifest.space,
        "index": {name: record.sha256 for name, record in manifest.files.items()},
        "blend": write_settings(query.blend or inverter.blend),
        "query": [query.candidates, query.compose, query.negative, query.metadata],
        "words": write_settings(query.words),
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
        shown |= answer.as_json()
    return shown


def _as_text(record: BatchRecord) -> Iterator[str]:
    answer = record.inversion
    if answer is None:
        return
    if answer.metadata_prompt:
        written = answer.metadata_prompt
        yield f"{record.image}: {written.prompt}  [written in the file by {written.generator}]"
    yield f"{record.image}: {answer.prompt}{_trust(answer)}"
    if answer.negative_prompt:
        yield f"  negative: {answer.negative_prompt}"
    yield from (_candidate_line(candidate) for candidate in answer.candidates)


def _trust(answer: Inversion) -> str:
    if answer.outside:
        return "  [outside what this index knows]"
    if answer.expected_cosine is None:
        return ""
    return f"  [expected cosine {answer.expected_cosine:.2f}]"


def _candidate_line(candidate: Candidate) -> str:
    return f"  {candidate.score:.3f}  {candidate.weight:6.1%}  {candidate.prompt}"
