"""The tab for many pictures: uploads -> a table of prompts, and a download per results format."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from unprompt.index.base.errors import ConfigError
from unprompt.index.texts.visible import whole_values
from unprompt.inversion.batch.formats import FORMATS
from unprompt.inversion.batch.inputs import PictureInput
from unprompt.inversion.batch.records import BatchRecord
from unprompt.inversion.batch.run import invert_pictures
from unprompt.inversion.query import Query
from unprompt.inversion.trust import describe_trust
from unprompt.ui.page.backend import Backend, original_name
from unprompt.ui.page.one_picture import RAW
from unprompt.ui.page.server.failures import describe_failure
from unprompt.ui.page.server.limits import MAX_FILES

COLUMNS = ["file", "prompt", "how sure", "note"]
BATCH = 8  # pictures; a stopped batch ends after as many at most
# One visitor's batch waits for another's; single pictures and searches wait for none.
BATCHES = {"concurrency_limit": 2, "concurrency_id": "batch"}


def add_many_pictures(gr: Any, backend: Backend) -> None:
    """Add the uploads, the buttons, the table and the downloads."""
    with gr.Row(elem_id="up-batch"):
        with gr.Column(scale=2, min_width=280):
            files = gr.File(
                file_count="multiple", file_types=["image"], label="pictures", show_label=False,
                height=220, elem_id="up-files",
            )  # fmt: skip
            start = gr.Button("Recover the prompts", variant="primary", elem_id="up-start")
            stop = gr.Button("Stop", elem_id="up-stop")
        with gr.Column(scale=3, min_width=300):
            table = gr.Dataframe(
                headers=COLUMNS, datatype=["str", "str", "str", "str"], interactive=False,
                wrap=True, elem_id="up-table", column_widths=["18%", "46%", "16%", "20%"],
            )  # fmt: skip
            with gr.Row():
                downloads = [
                    gr.DownloadButton(
                        f"Download {known.name}", interactive=False,
                        elem_id=f"up-{known.suffix[1:]}",
                    )
                    for known in FORMATS
                ]  # fmt: skip

    tracker = gr.Progress()

    def invert_all(uploads: Any, progress: Any = tracker) -> Iterator[tuple[Any, ...]]:
        """Yield after each few pictures: Gradio ends the batch there when its visitor has left."""
        try:
            yield from _answers(gr, backend, uploads, progress)
        except GeneratorExit:
            raise
        except Exception as error:
            raise gr.Error(describe_failure(error), print_exception=False) from error

    batch = start.click(
        invert_all, files, [table, *downloads], api_visibility="private", show_progress="full",
        show_progress_on=[table], **BATCHES, **RAW,
    )  # fmt: skip
    stop.click(None, None, None, cancels=[batch], api_visibility="private")


def _answers(gr: Any, backend: Backend, uploads: Any, progress: Any) -> Iterator[tuple[Any, ...]]:
    """The table as it grows, then the downloads; those of the last batch go at the start."""
    pictures = _inputs(backend, uploads)
    waiting = [gr.DownloadButton(value=None, interactive=False) for _ in FORMATS]
    unchanged = [gr.skip() for _ in FORMATS]
    yield [], *waiting
    records: list[BatchRecord] = []
    for first in range(0, len(pictures), BATCH):
        part = pictures[first : first + BATCH]
        records += invert_pictures(backend.inverter, part, Query(), BATCH)
        progress((len(records), len(pictures)), desc="Recovering prompts", unit="pictures")
        yield whole_values([_row(record) for record in records]), *unchanged
    written = _write(backend.uploads, records)
    ready = [gr.DownloadButton(value=str(path), interactive=True) for path in written]
    yield whole_values([_row(record) for record in records]), *ready


def _inputs(backend: Backend, uploads: Any) -> list[PictureInput]:
    if not isinstance(uploads, list) or not uploads:
        raise ConfigError("no picture was uploaded; select some pictures first")
    if len(uploads) > MAX_FILES:
        raise ConfigError(
            f"the page takes at most {MAX_FILES} files, got {len(uploads)}; for more run "
            "`unprompt invert FOLDER --output prompts.parquet`"
        )
    found = []
    for upload in uploads:
        path = backend.path(upload)
        name = original_name(upload, path)
        found.append(PictureInput(name, path, partial(Path, path)))
    return found


def _row(record: BatchRecord) -> list[str]:
    answer = record.inversion
    if answer is None:
        return [record.image, "", "", record.error_message or "failed"]
    notes = []
    if answer.metadata_prompt:
        notes.append(f"prompt in the file: {answer.metadata_prompt.prompt}")
    trust = describe_trust(answer)
    notes += [note for note in (trust.blank, trust.outside) if note]
    notes += [f"world: {trust.world}"] if trust.world else []
    return [record.image, answer.prompt, trust.sure or "", "; ".join(notes)]


def _write(uploads: Path, records: Sequence[BatchRecord]) -> list[Path]:
    """Write a results file per format below `uploads`, which Gradio may serve.

    A page that has stopped has no such folder any more, and must not get one again.
    """
    folder = Path(tempfile.mkdtemp(dir=uploads))
    rows = [record.as_row() for record in records]
    written = [folder / f"prompts{known.suffix}" for known in FORMATS]
    try:
        for known, path in zip(FORMATS, written, strict=True):
            known.write(path, lambda: iter(rows))
    except Exception:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return written
