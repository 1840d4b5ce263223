"""An uploaded file -> what the page shows, or what `/invert` returns; bad files become messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from unprompt.index.errors import UnpromptError, UnreadableImageError
from unprompt.index.pictures import open_picture
from unprompt.inversion.inverter import Inversion, Inverter
from unprompt.ui.neighbor_pictures import NeighborPictures
from unprompt.ui.page_examples import Example
from unprompt.ui.page_html import write_answer, write_fault, write_invitation, write_neighbors

SHOWN = 8  # candidates, and neighbours

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

    def open(self, upload: dict[str, Any] | None) -> Image.Image:
        """The picture of one uploaded file; raises UnreadableImageError for all else."""
        path = Path(str((upload or {}).get("path") or "/")).resolve()
        # The client names the path, and a message may quote the file's first bytes.
        if not upload or not path.is_relative_to(self.uploads.resolve()):
            raise UnreadableImageError("no picture arrived; upload one: drop, paste or pick it")
        return open_picture(path, str(upload.get("orig_name") or path.name))

    def invert(self, picture: Image.Image) -> Inversion:
        """The answer to one picture."""
        return self.inverter.invert([picture], SHOWN)[0]

    def show(self, picture: Image.Image, truth: str | None = None) -> tuple[str, str]:
        """The answer and its evidence as HTML."""
        inversion = self.invert(picture)
        rows = self.inverter.index.rows
        neighbors = [
            (neighbor, self.pictures.picture(rows.row(neighbor.row, named=True)))
            for neighbor in inversion.neighbors
        ]
        return write_answer(inversion, truth), write_neighbors(neighbors)


@dataclass(frozen=True)
class Parts:
    """The components that events read and write."""

    picture: Any
    answer: Any
    evidence: Any
    chooser: Any  # None without examples

    @property
    def all(self) -> list[Any]:
        return [self.picture, self.answer, self.evidence]


def connect(gr: Any, answering: Answering, parts: Parts) -> None:
    """An inversion as soon as a picture is there, by upload, paste or example."""

    def show_upload(upload: dict[str, Any] | None) -> tuple[Any, str, str]:
        try:
            return gr.skip(), *answering.show(answering.open(upload))
        except UnpromptError as error:
            return None, write_fault(str(error)), ""

    def show_example(click: gr.EventData) -> tuple[str, str, str]:
        example = answering.examples[int(click.place)]
        return str(example.path), *answering.show(example.picture, example.prompt)

    def reset() -> tuple[str, str]:
        return write_invitation(), ""

    shown = {"outputs": parts.all, "show_progress": "minimal", **FROM_PAGE}
    parts.picture.upload(show_upload, parts.picture, **RAW, **shown)
    parts.picture.clear(reset, None, [parts.answer, parts.evidence], **FROM_PAGE)
    if parts.chooser is not None:
        parts.chooser.click(show_example, None, **shown)


def add_endpoint(gr: Any, answering: Answering, picture: Any) -> None:
    """`/invert`: a picture file -> (prompt, candidates), for gradio_client and plain HTTP."""

    def invert(picture: dict[str, Any] | None) -> tuple[str, list[dict[str, Any]]]:
        """Recover the prompt of a picture: the best known prompt, and ranked candidates."""
        try:
            inversion = answering.invert(answering.open(picture))
        except UnpromptError as error:
            raise gr.Error(str(error), print_exception=False) from error
        return inversion.prompt, [candidate._asdict() for candidate in inversion.candidates]

    # An endpoint needs a trigger; an unseen button is one that nobody can press.
    trigger = gr.Button(visible=False)
    results = [
        gr.Textbox(label="prompt", visible=False),
        gr.JSON(label="candidates", visible=False),
    ]
    trigger.click(invert, picture, results, api_name="invert", **RAW, **ONE_AT_A_TIME)
