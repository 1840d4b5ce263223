"""The tab for many pictures: uploaded files -> a table, and the same as CSV or parquet."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from unprompt.index.images.pictures import open_picture
from unprompt.inversion.batch.inputs import PictureInput
from unprompt.inversion.batch.results import ResultsLog, append_record
from unprompt.inversion.batch.run import BatchRecord, invert_pictures
from unprompt.inversion.inverter import Query
from unprompt.inversion.metadata.picture_metadata import read_metadata
from unprompt.ui.page.one_picture import RAW, Answering

MOST_FILES = 500
HEADERS = ["file", "prompt", "expected cosine", "note"]
SMALL_BATCH = 8  # so that a picture of somebody else waits for a few only


def add_batch(gr: Any, answering: Answering) -> None:
    """Files, a button, a table and two downloads."""
    with gr.Row(elem_id="up-batch"):
        with gr.Column(scale=2, min_width=280):
            files = gr.File(
                file_count="multiple", file_types=["image"], label="pictures", show_label=False,
                height=220, elem_id="up-files",
            )  # fmt: skip
            start = gr.Button("Invert them all", variant="primary", elem_id="up-start")
        with gr.Column(scale=3, min_width=300):
            table = gr.Dataframe(
                headers=HEADERS, datatype=["str", "str", "str", "str"], interactive=False,
                wrap=True, elem_id="up-table", column_widths=["18%", "46%", "16%", "20%"],
            )  # fmt: skip
            with gr.Row():
                csv = gr.DownloadButton("Download CSV", interactive=False, elem_id="up-csv")
                parquet = gr.DownloadButton(
                    "Download parquet", interactive=False, elem_id="up-parquet"
                )

    tracker = gr.Progress()

    def invert_all(
        uploads: Sequence[dict[str, Any]] | None, progress: Any = tracker
    ) -> tuple[Any, ...]:
        pictures = _inputs(answering, uploads or [])
        if not pictures:
            raise gr.Error("No picture arrived; choose some first", print_exception=False)
        if len(pictures) > MOST_FILES:
            raise gr.Error(
                f"{len(pictures)} files are too many for the page ({MOST_FILES} at most); use "
                "`unprompt invert FOLDER --output prompts.parquet`",
                print_exception=False,
            )
        records = []
        for record in _records(answering, pictures):
            records.append(record)
            progress((len(records), len(pictures)), desc="Inverting", unit="pictures")
        written = _write(answering.uploads, records)
        downloads = [gr.DownloadButton(value=str(path), interactive=True) for path in written]
        return [_row(record) for record in records], *downloads

    start.click(
        invert_all, files, [table, csv, parquet], api_visibility="private",
        concurrency_limit=1, concurrency_id="batch", show_progress="full",
        show_progress_on=[table], **RAW,
    )  # fmt: skip


def _inputs(answering: Answering, uploads: Sequence[dict[str, Any]]) -> list[PictureInput]:
    found = []
    for upload in uploads:
        path = answering.path(upload)
        name = str(upload.get("orig_name") or path.name)
        load, written = partial(open_picture, path, name), partial(read_metadata, path)
        found.append(PictureInput(name, path, load, written))
    return found


def _records(answering: Answering, pictures: Sequence[PictureInput]) -> Iterator[BatchRecord]:
    for first in range(0, len(pictures), SMALL_BATCH):
        part = pictures[first : first + SMALL_BATCH]
        with answering.lock:
            done = list(invert_pictures(answering.inverter, part, Query(), SMALL_BATCH))
        yield from done


def _row(record: BatchRecord) -> list[str]:
    answer = record.inversion
    if answer is None:
        return [record.image, "", "", record.error_message or "failed"]
    notes = []
    if answer.metadata_prompt:
        notes.append(f"the file says: {answer.metadata_prompt.prompt}")
    if answer.outside:
        notes.append("outside what this index knows")
    expected = "" if answer.expected_cosine is None else f"{answer.expected_cosine:.2f}"
    return [record.image, answer.prompt, expected, "; ".join(notes)]


def _write(uploads: Path, records: Sequence[BatchRecord]) -> list[Path]:
    """The results as prompts.csv and prompts.parquet, in the folder that Gradio may serve."""
    uploads.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=uploads))
    written = []
    try:
        for suffix in ("csv", "parquet"):
            log = ResultsLog(folder / f"prompts.{suffix}", {"page": len(records)})
            with log.open() as lines:
                for record in records:
                    append_record(lines, record)
            log.finish()
            written.append(log.output)
    except Exception:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return written
