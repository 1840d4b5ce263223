"""Pictures and a bundle -> a results file or submission, by one process or by an engine."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unprompt.index.base.errors import DamagedFileError
from unprompt.index.base.progress import Progress
from unprompt.index.base.settings import write_settings
from unprompt.index.bundle.bundle import ENCODER
from unprompt.index.engines.devices import tower_demand
from unprompt.index.engines.engine import map_shards, stays_here
from unprompt.inversion.batch.formats import Rows, row_vectors, write_results
from unprompt.inversion.batch.inputs import PictureInput
from unprompt.inversion.batch.parts import InvertWork, ResultParts
from unprompt.inversion.batch.results import ResultsLog, append_record
from unprompt.inversion.batch.run import invert_pictures
from unprompt.inversion.batch.submission import write_submission
from unprompt.inversion.estimate.member import member_folder
from unprompt.inversion.inverter import STARTER, Inverter
from unprompt.inversion.query import Query
from unprompt.ui.jobs.invert_request import InvertRequest


class FileBatch:
    """One `unprompt invert` that writes files; what it has finished survives a kill."""

    def __init__(
        self,
        request: InvertRequest,
        inverter: Inverter,
        query: Query,
        pictures: Sequence[PictureInput],
        progress: Progress,
    ):
        output = request.output or Path(f"{request.submission}.jsonl")
        identity = _identity(query, inverter)
        if request.gpu_search:  # other neighbours than the codes find, now and then
            identity["gpu_search"] = True
        self._request = request
        self._inverter = inverter
        self._query = query
        self._pictures = pictures
        self._progress = progress
        self._log = ResultsLog(output, identity)
        self._parts = ResultParts(output, identity, pictures)
        bundle = STARTER if request.bundle is None else request.bundle
        towers = [member_folder(bundle, member.name) / ENCODER for member in inverter.members]
        self._demand = max(map(tower_demand, towers), key=lambda demand: demand.devices)

    def run(self) -> int:
        """Make what is missing; returns the exit code, 1 if a picture could not be read."""
        here = stays_here(self._request.engine, self._demand, len(self._parts.numbers))
        if here and not self._parts.folder.exists():
            if self._request.gpu_search:
                self._inverter.use_gpus()
            return self._alone()
        return self._in_parts()

    def _alone(self) -> int:
        log, progress = self._log, self._progress
        done = log.done()
        if done:
            progress.note(f"going on after {len(done)} pictures of an earlier run")
        with log.open() as lines:
            records = invert_pictures(self._inverter, self._pictures, self._query, done=done)
            for record in progress.track(records, "invert", len(self._pictures), len(done)):
                append_record(lines, record)
        failed = self._write(log.rows)
        log.discard()
        return 1 if failed else 0

    def _in_parts(self) -> int:
        parts, engine, progress = self._parts, self._request.engine, self._progress
        targets = [path for path in (self._request.output, self._request.submission) if path]
        if engine.shares > 1 and not parts.folder.exists() and all(t.exists() for t in targets):
            progress.note(f"{targets[0]} is there already; delete it to make it again")
            return 0
        if self._log.partial.exists():
            parts.take_over(self._log)
        own = set(engine.own(parts.numbers))
        jobs = {number: job for number, job in parts.pending().items() if number in own}
        work = InvertWork(self._request.bundle, self._query, self._request.gpu_search)
        failed = 0
        done = map_shards(work, jobs, engine, self._demand)
        for _, faults in progress.track(done, "invert shards", len(own), len(own) - len(jobs)):
            failed += faults
        left = parts.pending()
        if left:
            progress.note(f"invert: {len(left)} shards are left to other processes")
            return 1 if failed else 0
        try:
            failed = self._write(parts.rows)
        except DamagedFileError:
            if parts.folder.exists():
                raise
            return 1 if failed else 0  # another process has written the very same files
        parts.discard()
        return 1 if failed else 0

    def _write(self, rows: Rows) -> int:
        """Write what was asked for; returns how many pictures could not be read."""
        request, progress = self._request, self._progress
        failed = sum(row["status"] == "failed" for row in rows())
        if request.submission:
            count = write_submission(request.submission, row_vectors(rows()))
            progress.note(f"{count} images -> {request.submission}")
        if request.output:
            progress.note(f"{write_results(request.output, rows)} rows -> {request.output}")
        if failed:
            progress.note(f"{failed} pictures could not be read: see status and error_message")
        return failed


def _identity(query: Query, inverter: Inverter) -> dict[str, Any]:
    manifest = inverter.index.manifest
    return {
        "space": manifest.space,
        "index": {name: record.sha256 for name, record in manifest.files.items()},
        "blend": write_settings(query.blend or inverter.blend),
        "query": [query.candidates, query.compose, query.negative, query.metadata],
        "words": write_settings(query.words),
    }
