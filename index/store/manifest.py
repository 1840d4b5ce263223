"""The manifest of an index folder, written last: its files, and what a reader must know of them.

`index.faiss` holds the FAISS index, `rows.parquet` the rows (and `rows.sqlite` where there are
many), `targets.npy` (n, d_prompt) and `keys.npy` (n, d_image) vectors as float16.
"""

import math
from collections.abc import Iterable
from pathlib import Path

from pydantic.dataclasses import dataclass

from unprompt.index.base.durable import digest_file, read_json, write_json
from unprompt.index.base.errors import DamagedFileError
from unprompt.index.base.settings import STRICT, read_settings, write_settings
from unprompt.index.search.effort import Effort, Recall, TriedIndex

MANIFEST, FORMAT = "manifest.json", 2
VECTORS, LISTS = "index.faiss", "lists.ivfdata"
ROWS_FILE, LOOKUP = "rows.parquet", "rows.sqlite"
TARGETS, KEYS, LENGTHS, REMOVED = "targets.npy", "keys.npy", "lengths.npy", "removed.npy"
CLASS_KEYS = "class"  # kind of the keys that are rows of a classifier
PROMPT_KEYS = "prompt"  # kind of the keys that are prompt vectors: the codes hold the targets too


@dataclass(frozen=True, config=STRICT)
class FileRecord:
    """Size and digest of one file when it was written."""

    size_bytes: int
    sha256: str


@dataclass(frozen=True, config=STRICT)
class Segment:
    """Rows that were added at one time, and the files that hold them."""

    count: int
    rows: str  # ROWS, .parquet
    targets: str | None  # .npy (count, d_prompt) float16; None: the keys are the targets
    keys: str | None  # .npy (count, d_image) float16, before transforms; None: not stored
    lookup: str | None = None  # .sqlite, the rows again, where there are many
    lengths: str | None = None  # .npy (count, 1) of FoldedTransforms.lengths, where they are used

    @property
    def files(self) -> tuple[str, ...]:
        """The names of all its files."""
        named = (self.rows, self.targets, self.keys, self.lookup, self.lengths)
        return tuple(name for name in named if name is not None)


@dataclass(frozen=True, config=STRICT)
class IndexManifest:
    """What a reader must know before it trusts the other files of an index."""

    factory: str
    keys: str  # image | text | class | prompt
    space: str  # of the encoder that made the keys
    target_space: str  # of the prompt encoder that made the targets
    dim: int  # d_image
    target_dim: int  # d_prompt
    ntotal: int  # rows, without removed ones
    prompts: int  # distinct prompts among them
    recall: Recall | None
    files: dict[str, FileRecord]
    vectors: str  # the FAISS file; ids count the rows of all segments, removed ones included
    segments: tuple[Segment, ...]  # in the order of insertion
    effort: Effort = Effort()
    tried: tuple[TriedIndex, ...] = ()  # where recall was measured; the last one is this index
    lists: str | None = None  # .ivfdata, where the lists are too large for memory
    removed: str | None = None  # .npy, sorted ids of removed rows
    trained_rows: int = 0  # rows that the index was trained on
    generation: int = 1  # rises with every change
    metric: str = "cosine"
    format: int = FORMAT

    @property
    def stored(self) -> int:
        """Rows in the files, removed ones included."""
        return sum(segment.count for segment in self.segments)


def generation_name(name: str, generation: int) -> str:
    """`rows.parquet` of generation 3 is `rows.00003.parquet`; generation 1 has plain names."""
    stem, _, suffix = name.rpartition(".")
    return name if generation == 1 else f"{stem}.{generation:05d}.{suffix}"


def record_files(folder: Path, names: Iterable[str]) -> dict[str, FileRecord]:
    """Sizes and digests of the files `names` in `folder`."""
    return {
        name: FileRecord((folder / name).stat().st_size, digest_file(folder / name))
        for name in sorted(names)
    }


def check_files(
    folder: Path, files: dict[str, FileRecord], remedy: str, max_digest_bytes: float = math.inf
) -> None:
    """Raise DamagedFileError naming the first file that is missing, cut short or changed.

    Files over `max_digest_bytes` are not hashed.
    """
    for name, record in files.items():
        path = folder / name
        if not path.is_file():
            raise DamagedFileError(f"{path} is missing. {remedy}")
        size = path.stat().st_size
        if size != record.size_bytes:
            raise DamagedFileError(
                f"{path} has {size} bytes, {record.size_bytes} were written. {remedy}"
            )
        if size <= max_digest_bytes and digest_file(path) != record.sha256:
            raise DamagedFileError(f"{path} has changed since it was written. {remedy}")


def write_manifest(folder: Path, manifest: IndexManifest) -> None:
    """Write the manifest of an index, after all its other files."""
    write_json(folder / MANIFEST, write_settings(manifest))


def read_index_manifest(folder: Path) -> IndexManifest:
    """The manifest of an index; raises DamagedFileError without one of this format."""
    path = folder / MANIFEST
    if not path.is_file():
        raise DamagedFileError(
            f"{folder} holds no finished index (no {MANIFEST}); run `unprompt build` to make one"
        )
    content = read_json(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise DamagedFileError(
            f"{path} is not an index manifest of format {FORMAT}; rebuild the index with this "
            "version"
        )
    return read_settings(IndexManifest, content, str(path))
