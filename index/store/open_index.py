"""The files of one generation of an index, for several threads, until they are closed."""

from pathlib import Path
from typing import Any, Self

from unprompt.index.base.errors import ClosedError
from unprompt.index.store.manifest import IndexManifest
from unprompt.index.store.open_files import OpenFiles
from unprompt.index.threads.shared_property import forget
from unprompt.index.vectors.live_rows import LiveRows
from unprompt.index.vectors.matrix import Matrix


class OpenIndex:
    """What an index holds open. Calls that run while it is closed finish, or raise ClosedError."""

    computed: tuple[str, ...] = ()  # names of shared properties, which are dropped by `close`

    def __init__(self, folder: Path, manifest: IndexManifest, writable: bool = False):
        """Open the files of `manifest`; `writable`: rows will be added to the FAISS index."""
        self.folder = folder
        self.manifest = manifest
        self._opened: OpenFiles | None = OpenFiles(folder, manifest, writable)

    @property
    def _files(self) -> OpenFiles:
        opened = self._opened  # another thread may close it meanwhile
        if opened is None:
            raise ClosedError(
                f"the index {self.folder} is closed, wanted an open one; open it again: "
                f"unprompt.PromptIndex.load({str(self.folder)!r})"
            )
        return opened

    def check_open(self) -> None:
        """Raise ClosedError after `close`."""
        _ = self._files

    @property
    def live(self) -> LiveRows:
        """The rows that were not removed."""
        return self._files.live

    @property
    def vectors(self) -> Any:
        """The FAISS index of the keys."""
        return self._files.vectors

    @property
    def targets(self) -> Matrix:
        """The prompt vectors (n, d_prompt): float16, or float32 from codes."""
        return self._files.targets

    @property
    def keys(self) -> Matrix | None:
        """The keys (n, d_image) float16 before transforms, or None."""
        return self._files.keys

    def close(self) -> None:
        """Close the files. A later call of any other method raises ClosedError."""
        opened, self._opened = self._opened, None
        forget(self, *self.computed)
        if opened is not None:
            opened.rows.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
