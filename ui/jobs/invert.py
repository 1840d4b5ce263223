"""`unprompt invert`: paths -> prompts on the terminal, or a results file, or a submission."""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from unprompt.index.base.errors import ConfigError
from unprompt.index.engines.engine import LOCAL
from unprompt.inversion.answer import Candidate, Inversion
from unprompt.inversion.batch.inputs import find_pictures
from unprompt.inversion.batch.run import BATCH, BatchRecord, invert_pictures
from unprompt.inversion.estimate.blend import Blend
from unprompt.inversion.inverter import Inverter
from unprompt.inversion.query import Query
from unprompt.ui.jobs.invert_request import InvertRequest
from unprompt.ui.jobs.progress import choose_progress


def run_invert(request: InvertRequest) -> int:
    """Invert and print or write; returns the exit code, 1 if a picture could not be read."""
    if request.engine != LOCAL and not (request.output or request.submission):
        raise ConfigError("--engine, --workers and --shard need --output or --submission")
    pictures = list(find_pictures(request.paths))
    to_files = bool(request.output or request.submission)
    once = not to_files and len(pictures) <= BATCH
    inverter = Inverter.load(request.bundle, low_memory=once)
    query = with_settings(request.query, inverter.blend, request.settings)
    if to_files:
        from unprompt.ui.jobs.batch_files import FileBatch

        return FileBatch(request, inverter, query, pictures, choose_progress()).run()
    if request.gpu_search:
        inverter.use_gpus()
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
