"""`unprompt invert`: paths -> prompts on the terminal, or results files."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unprompt.index.base.errors import ConfigError
from unprompt.index.base.owner import owned
from unprompt.index.bundle.bundle import BLEND, read_bundle
from unprompt.index.decode.arenas import share_arenas
from unprompt.index.engines.engine import LOCAL, EngineConfig
from unprompt.index.texts.json_text import json_text
from unprompt.index.texts.visible import one_line
from unprompt.inversion.answer import Candidate
from unprompt.inversion.batch.inputs import PictureInput, find_pictures
from unprompt.inversion.batch.records import BatchRecord
from unprompt.inversion.batch.run import invert_pictures, printable
from unprompt.inversion.estimate.blend import Blend, load_blend
from unprompt.inversion.inverter import BATCH, STARTER, Inverter
from unprompt.inversion.query import Query
from unprompt.inversion.trust import describe_trust
from unprompt.ui.jobs.progress import choose_progress


@dataclass(frozen=True)
class InvertRequest:
    """The arguments and options of one `unprompt invert`."""

    paths: tuple[str, ...]
    bundle: Path | None = None  # None is the starter
    as_json: bool = False
    output: Path | None = None
    submission: Path | None = None
    query: Query = Query()
    k: int | None = None  # this and the next two: None keeps what was tuned
    temperature: float | None = None
    alpha: float | None = None
    engine: EngineConfig = LOCAL
    gpu_search: bool = False  # exact search on the GPUs that FAISS sees
    raw_csv: bool = False  # keep formulas and hidden characters in the cells of a .csv


def run_invert(request: InvertRequest) -> int:
    """Print or write the answers; returns the exit code, 1 if a picture could not be read."""
    to_files = bool(request.output or request.submission)
    if request.engine != LOCAL and not to_files:
        raise ConfigError("--engine, --workers and --shard need --output or --submission")
    share_arenas()
    with owned(request.output, request.submission, share=request.engine.share_name):
        pictures = list(find_pictures(request.paths))
        return (_write_answers if to_files else _print_answers)(request, pictures)


def _write_answers(request: InvertRequest, pictures: list[PictureInput]) -> int:
    from unprompt.inversion.batch.formats import find_format, submission_format
    from unprompt.inversion.batch.parts import InvertWork
    from unprompt.inversion.batch.submission import check_ids
    from unprompt.ui.jobs.invert_files import invert_to_files

    bundle = request.bundle or STARTER
    outputs = {}
    if request.output:
        outputs[request.output] = find_format(request.output, request.raw_csv)
    if request.submission:
        check_ids((printable(one.image_id), printable(one.name)) for one in pictures)
        outputs[request.submission] = submission_format(bundle)
    read_bundle(bundle)
    query = _tuned_query(request, load_blend(bundle / BLEND))
    work = InvertWork(bundle, query, request.gpu_search)
    return invert_to_files(work, pictures, outputs, request.engine, choose_progress())


def _print_answers(request: InvertRequest, pictures: list[PictureInput]) -> int:
    inverter = Inverter.load(request.bundle, low_memory=len(pictures) <= BATCH)
    query = _tuned_query(request, inverter.blend)
    if request.gpu_search:
        inverter.use_gpus()
    failed = 0
    for record in invert_pictures(inverter, pictures, query):
        failed += record.inversion is None
        _print_record(record, request.as_json)
    return int(failed > 0)


def _tuned_query(request: InvertRequest, tuned: Blend) -> Query:
    """The query with the user's k, temperature and alpha in place of the tuned ones."""
    chosen = {"k": request.k, "temperature": request.temperature}
    changes: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
    blend = tuned.with_knn(replace(tuned.knn, **changes)) if changes else tuned
    blend = blend if request.alpha is None else blend.with_alpha(request.alpha)
    return request.query if blend is tuned else replace(request.query, blend=blend)


def _print_record(record: BatchRecord, as_json: bool) -> None:
    if as_json:
        print(json_text(_as_json(record)), flush=True)
    elif record.inversion is None:
        print(one_line(f"{record.image}: {record.error_message}"), file=sys.stderr)
    else:
        print("\n".join(map(one_line, _as_text(record))), flush=True)


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
        if written.negative_prompt:
            yield f"  negative prompt in the file: {written.negative_prompt}"
        if settings := written.settings():
            yield "  settings in the file: " + "; ".join(map(" ".join, settings))
    trust = str(describe_trust(answer))
    yield f"{record.image}: {answer.prompt}" + (f"  [{trust}]" if trust else "")
    if answer.negative_prompt:
        yield f"  negative: {answer.negative_prompt}"
    yield from (_candidate_line(candidate) for candidate in answer.candidates)


def _candidate_line(candidate: Candidate) -> str:
    return f"  {candidate.score:.3f}  {candidate.weight:6.1%}  {candidate.prompt}"
