"""An uploaded file -> what the page shows, or what `/invert` returns; bad files become messages."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from PIL import Image

from unprompt.index.base.errors import UnpromptError, UnreadableImageError
from unprompt.index.images.pictures import open_picture
from unprompt.inversion.answer import Inversion
from unprompt.inversion.inverter import Inverter, Query
from unprompt.inversion.metadata.picture_metadata import read_metadata
from unprompt.ui.page.answer import write_answer, write_neighbors
from unprompt.ui.page.examples import Example
from unprompt.ui.page.html import write_fault, write_invitation
from unprompt.ui.page.neighbor_pictures import NeighborPictures
from unprompt.ui.page.settings import SHOWN, Controls, make_query, tuned_values

# Gradio's own preprocessing decodes the file first and hides what is wrong with it; without it a
# handler gets the upload as a dict, as the client sent it.
RAW = {"preprocess": False}
ONE_AT_A_TIME = {"concurrency_limit": 1, "concurrency_id": "inversion"}
FROM_PAGE = {"api_visibility": "private", "trigger_mode": "always_last", **ONE_AT_A_TIME}


@dataclass(frozen=True)
class Answering:
    """The models behind the page, the examples on it, and the folder that uploads arrive in."""

    inverter: Inverter
    pictures: NeighborPictures
    examples: Sequence[Example]
    uploads: Path
    lock: threading.Lock = field(default_factory=threading.Lock)  # one tower, one at a time

    def path(self, upload: dict[str, Any] | None) -> Path:
        """Where an uploaded file lies; raises UnreadableImageError for anything else."""
        path = Path(str((upload or {}).get("path") or "/")).resolve()
        # The client names the path, and a message may quote the file's first bytes.
        if not upload or not path.is_relative_to(self.uploads.resolve()):
            raise UnreadableImageError("no picture arrived; upload one: drop, paste or pick it")
        return path

    def invert(self, upload: dict[str, Any] | None, query: Query) -> Inversion:
        """The answer to one uploaded picture, with what the file itself says."""
        path = self.path(upload)
        picture = open_picture(path, str((upload or {}).get("orig_name") or path.name))
        return replace(self._invert(picture, query), metadata_prompt=read_metadata(path))

    def show(
        self, upload: dict[str, Any] | None, query: Query, truth: str | None = None
    ) -> tuple[str, str]:
        """The answer and its evidence as HTML."""
        inversion = self.invert(upload, query)
        return write_answer(inversion, truth), write_neighbors(self._evidence(inversion))

    def _invert(self, picture: Image.Image, query: Query) -> Inversion:
        with self.lock:
            return self.inverter.invert([picture], query)[0]

    def _evidence(self, inversion: Inversion) -> list[Any]:
        if inversion.outside:
            return []  # its neighbours are classes, not pictures
        rows = self.inverter.index.read_rows([near.row for near in inversion.neighbors])
        return [
            (neighbor, self.pictures.picture(row))
            for neighbor, row in zip(inversion.neighbors, rows.iter_rows(named=True), strict=True)
        ]


@dataclass(frozen=True)
class Parts:
    """The components that events read and write."""

    picture: Any
    answer: Any
    evidence: Any
    chooser: Any  # None without examples
    controls: Controls

    @property
    def all(self) -> list[Any]:
        return [self.picture, self.answer, self.evidence]


def connect(gr: Any, answering: Answering, parts: Parts) -> None:
    """An inversion as soon as a picture is there, and again when a setting is moved."""
    tuned = answering.inverter.blend
    controls = parts.controls

    def show_upload(upload: dict[str, Any] | None, *values: Any) -> tuple[Any, str, str]:
        try:
            return gr.skip(), *answering.show(upload, make_query(tuned, values))
        except UnpromptError as error:
            return None, write_fault(str(error)), ""

    def show_example(click: gr.EventData, *values: Any) -> tuple[str, str, str]:
        example = answering.examples[int(click.place)]
        upload = {"path": str(example.path)}
        shown = answering.show(upload, make_query(tuned, values), example.prompt)
        return str(example.path), *shown

    def show_again(upload: dict[str, Any] | None, *values: Any) -> tuple[Any, Any]:
        if not upload:
            return gr.skip(), gr.skip()
        try:
            path = answering.path(upload)
            truth = next((e.prompt for e in answering.examples if e.path.name == path.name), None)
            return answering.show(upload, make_query(tuned, values), truth)
        except UnpromptError as error:
            return write_fault(str(error)), ""

    def reset() -> tuple[str, str]:
        return write_invitation(), ""

    asked = [parts.picture, *controls.values]
    shown = {"outputs": parts.all, "show_progress": "minimal", **FROM_PAGE}
    again = {"outputs": parts.all[1:], "show_progress": "minimal", **FROM_PAGE}
    parts.picture.upload(show_upload, asked, **RAW, **shown)
    parts.picture.clear(reset, None, [parts.answer, parts.evidence], **FROM_PAGE)
    if parts.chooser is not None:
        parts.chooser.click(show_example, controls.values, **shown)
    for slider in (controls.k, controls.temperature, controls.alpha, controls.tokens):
        slider.release(show_again, asked, **RAW, **again)
    for choice in (controls.weighting, controls.artists):
        choice.input(show_again, asked, **RAW, **again)
    controls.ban.blur(show_again, asked, **RAW, **again)
    controls.ban.submit(show_again, asked, **RAW, **again)
    back = controls.reset.click(
        lambda: list(tuned_values(tuned)), None, controls.values, show_progress="hidden",
        **FROM_PAGE,
    )  # fmt: skip
    back.then(show_again, asked, **RAW, **again)


def add_endpoint(gr: Any, answering: Answering, picture: Any) -> None:
    """`/invert`: a picture file -> (prompt, answer), for gradio_client and plain HTTP."""

    def invert(picture: dict[str, Any] | None) -> tuple[str, dict[str, Any]]:
        """Recover the prompt of a picture: the prompt, and all that is known about it."""
        try:
            inversion = answering.invert(picture, Query(SHOWN))
        except UnpromptError as error:
            raise gr.Error(str(error), print_exception=False) from error
        return inversion.prompt, inversion.as_json()

    # An endpoint needs a trigger; an unseen button is one that nobody can press.
    trigger = gr.Button(visible=False)
    results = [
        gr.Textbox(label="prompt", visible=False),
        gr.JSON(label="answer", visible=False),
    ]
    trigger.click(invert, picture, results, api_name="invert", **RAW, **ONE_AT_A_TIME)
