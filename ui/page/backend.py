"""An uploaded file and a query -> the inversion, and its answer as HTML. Shared by all tabs."""

import filecmp
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unprompt.index.base.errors import UnreadableImageError
from unprompt.index.images.pictures import open_picture
from unprompt.index.metadata.picture_metadata import read_metadata
from unprompt.inversion.answer import Inversion
from unprompt.inversion.inverter import Inverter
from unprompt.inversion.query import Query
from unprompt.ui.page.answer import write_answer, write_neighbors
from unprompt.ui.page.examples import Example, ExampleGroup, make_examples
from unprompt.ui.page.html import beside
from unprompt.ui.page.neighbor_pictures import NeighborPictures
from unprompt.ui.page.server.calls import is_below
from unprompt.ui.page.summary import BundleSummary, has_pictures, summarize

MAX_NAME = 255  # characters of a file's name


@dataclass(frozen=True)
class Backend:
    """A loaded bundle, the examples on the page, and the folder that holds the uploads.

    Handlers run in several threads, which share the inverter.
    """

    inverter: Inverter
    bundle: BundleSummary
    pictures: NeighborPictures  # of the neighbors
    groups: Sequence[ExampleGroup]
    uploads: Path

    @property
    def examples(self) -> list[Example]:
        """The examples of all groups, in the order of their numbers on the page."""
        return [example for group in self.groups for example in group.examples]

    def path(self, upload: Any) -> Path:
        """The path of an uploaded file; raises UnreadableImageError for any other value."""
        named = upload.get("path") if isinstance(upload, dict) else None
        # The client names the path, and an error message may quote the first bytes of the file.
        if not named or not is_below(named, self.uploads):
            raise UnreadableImageError(
                "no picture was uploaded; drop, paste or select a picture on the page, or pass "
                "`handle_file(PATH)` from gradio_client"
            )
        path = Path(named).resolve()
        if not path.is_file():
            raise UnreadableImageError(
                "the server has deleted this picture, as it does with uploads after ten minutes; "
                "upload it again"
            )
        return path

    def invert(self, upload: Any, query: Query) -> Inversion:
        """The answer for one uploaded picture, with the prompt from the file's own metadata."""
        path = self.path(upload)
        picture = open_picture(path, original_name(upload, path))
        [inversion] = self.inverter.invert_images([picture], query)
        return replace(inversion, metadata_prompt=read_metadata(path))

    def answer(self, upload: Any, query: Query) -> tuple[str, str]:
        """The answer and the neighbors with their pictures, both as HTML."""
        inversion = self.invert(upload, query)
        path = self.path(upload)  # of an example, it is Gradio's copy
        same = (e.note for e in self.examples if filecmp.cmp(path, e.path, shallow=False))
        answer = write_answer(inversion, next(same, None))
        neighbors = write_neighbors(self._neighbors(inversion))
        return beside(path, answer), beside(path, neighbors)

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


def original_name(upload: Any, path: Path) -> str:
    """The name that the file has on the user's machine, for messages and tables."""
    name = upload.get("orig_name")
    return name[:MAX_NAME] if isinstance(name, str) and name else path.name
