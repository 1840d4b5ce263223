"""Pictures and a bundle -> results file, submission, or both, by this process or by an engine."""

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

from unprompt.index.base.errors import DamagedFileError
from unprompt.index.base.owner import owned
from unprompt.index.base.progress import Progress
from unprompt.index.bundle.bundle import BLEND, ENCODER
from unprompt.index.engines.devices import tower_demand
from unprompt.index.engines.engine import Demand, EngineConfig, map_shards
from unprompt.inversion.batch.formats import ResultsFormat, Rows
from unprompt.inversion.batch.inputs import PictureInput
from unprompt.inversion.batch.parts import InvertWork, ResultParts
from unprompt.inversion.estimate.blend import load_blend
from unprompt.inversion.estimate.member import member_folder


def invert_to_files(
    work: InvertWork,
    pictures: Sequence[PictureInput],
    outputs: Mapping[Path, ResultsFormat],
    engine: EngineConfig,
    progress: Progress,
) -> int:
    """Make the missing parts and, once all exist, the output files.

    Returns the exit code: 1 if a picture could not be read. The parts lie beside the first output;
    the same call after a kill makes only those that are missing. Raises OutputInUseError where
    another process writes one of the outputs.
    """
    with owned(*outputs, share=engine.share_name):
        return _invert(work, pictures, outputs, engine, progress)


def _invert(
    work: InvertWork,
    pictures: Sequence[PictureInput],
    outputs: Mapping[Path, ResultsFormat],
    engine: EngineConfig,
    progress: Progress,
) -> int:
    first = next(iter(outputs))
    batch = ResultParts(first, work.identity(), pictures)
    if engine.shares > 1 and not batch.folder.exists() and all(map(Path.exists, outputs)):
        progress.note(f"{first} exists already; delete it to make it again")
        return 0
    own = {number: batch.parts[number] for number in engine.own(batch.parts)}
    unfinished = batch.unfinished()
    missing = {number: part for number, part in own.items() if number in unfinished}
    total = sum(len(part.pictures) for part in own.values())
    done = total - sum(len(part.pictures) for part in missing.values())
    if done:
        progress.note(f"going on after {done} pictures of an earlier run")
    results = map_shards(work, missing, engine, _demand(work.bundle))
    readable = chain.from_iterable(part for _, part in results)
    failed = sum(not ok for ok in progress.track(readable, "invert", total, done))
    if left := batch.unfinished():
        progress.note(f"invert: {len(left)} parts are left to other processes")
        return int(failed > 0)
    try:
        failed = _write(outputs, batch.rows, progress)
    except DamagedFileError:
        if batch.folder.exists():
            raise
        return int(failed > 0)  # another process has written the same files
    batch.remove()
    return int(failed > 0)


def _write(outputs: Mapping[Path, ResultsFormat], rows: Rows, progress: Progress) -> int:
    """Write every output; returns how many pictures could not be read."""
    failed, first = 0, ""
    for row in rows():
        if row["status"] == "failed":
            failed, first = failed + 1, first or row["error_message"]
    for path, form in outputs.items():
        progress.note(f"{form.write(path, rows)} {form.units} -> {path}")
        if failed and form.failures:
            progress.note(f"{path}: {form.failures}")
    if failed:
        progress.note(f"{failed} pictures could not be read, the first: {first}")
    return failed


def _demand(bundle: Path) -> Demand:
    """What the most demanding tower of the bundle can use."""
    members = load_blend(bundle / BLEND).shares
    towers = [member_folder(bundle, member.name) / ENCODER for member in members]
    return max(map(tower_demand, towers), key=lambda demand: demand.devices)
