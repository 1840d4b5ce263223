"""An uploaded file and a query -> the inversion, and its answer as HTML. Shared by all tabs."""

import filecmp
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from unprompt.index.base.errors import UnreadableImageError
from unprompt.index.images.pictures import open_picture
from unprompt.inversion.answer import Inversion
from unprompt.inversion.inverter import Inverter
from unprompt.inversion.metadata.picture_metadata import read_metadata
from unprompt.inversion.query import Query
from unprompt.ui.page.answer import write_answer, write_neighbors
from unprompt.ui.page.examples import Example, ExampleGroup, make_examples
from unprompt.ui.page.neighbor_pictures import NeighborPictures
from unprompt.ui.page.summary import BundleSummary, has_pictures, summarize


@dataclass(frozen=True)
class Backend:
    """A loaded bundle, the examples on the page, and the folder that holds the uploads.

    Handlers run in several threads. `lock` admits one of them at a time to the inverter.
    """

    inverter: Inverter
    bundle: BundleSummary
    pictures: NeighborPictures  # of the neighbors
    groups: Sequence[ExampleGroup]
    uploads: Path
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def examples(self) -> list[Example]:
        """The examples of all groups, in the order of their numbers on the page."""
        return [example for group in self.groups for example in group.examples]

    def path(self, upload: dict[str, Any] | None) -> Path:
        """The path of an uploaded file; raises UnreadableImageError for any other file."""
        path = Path(str((upload or {}).get("path") or "/")).resolve()
        # The client names the path, and an error message may quote the first bytes of the file.
        if not upload or not path.is_relative_to(self.uploads.resolve()):
            raise UnreadableImageError(
                "no picture was uploaded; drop, paste or select a picture on the page, or pass "
                "`handle_file(PATH)` from gradio_client"
            )
        if not path.is_file():
            raise UnreadableImageError(
                "the server has deleted this picture, as it does with uploads after ten minutes; "
                "upload it again"
            )
        return path

    def invert(self, upload: dict[str, Any] | None, query: Query) -> Inversion:
        """The answer for one uploaded picture, with the prompt from the file's own metadata."""
        path = self.path(upload)
        picture = open_picture(path, original_name(upload, path))
        with self.lock:
            [inversion] = self.inverter.invert_images([picture], query)
        return replace(inversion, metadata_prompt=read_metadata(path))

    def answer(self, upload: dict[str, Any] | None, query: Query) -> tuple[str, str]:
        """The answer and the neighbors with their pictures, both as HTML."""
        inversion = self.invert(upload, query)
        path = self.path(upload)  # of an example, it is Gradio's copy
        same = (e.note for e in self.examples if filecmp.cmp(path, e.path, shallow=False))
        return write_answer(inversion, next(same, None)), write_neighbors(
            self._neighbors(inversion)
        )

    def _neighbors(self, inversion: Inversion) -> list[Any]:
        if inversion.outside and inversion.world is None:
            return []  # the fallback's neighbors are class names without pictures
        index = self.inverter.world_of(inversion).index
        if not has_pictures(index):
            return []
        rows = index.read_rows([near.row for near in inversion.neighbors])
        return [
            (neighbor, self.pictures.picture(row))
            for neighbor, row in zip(inversion.neighbors, rows.iter_rows(named=True), strict=True)
        ]


def make_backend(folder: Path, inverter: Inverter, uploads: Path) -> Backend:
    """The backend for a loaded bundle in `folder`; `uploads` is Gradio's folder of files."""
    bundle = summarize(folder, inverter)
    examples = make_examples(uploads / "examples", bundle)
    return Backend(inverter, bundle, NeighborPictures(folder), examples, uploads)


def original_name(upload: dict[str, Any] | None, path: Path) -> str:
    """The name that the file has on the user's machine, for messages and tables."""
    return str((upload or {}).get("orig_name") or path.name)
