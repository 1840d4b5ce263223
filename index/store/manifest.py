"""The manifest of an index folder, written last: its files, and what a reader must know of them.

`index.faiss` holds the FAISS index, `rows.parquet` the rows (and `rows.sqlite` where there are
many), `targets.npy` (n, d_prompt) and `keys.npy` (n, d_image) vectors as float16.
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from unprompt.index.base.durable import (
    digest_bytes,
    digest_json,
    json_bytes,
    read_json,
    write_atomically,
)
from unprompt.index.base.errors import DamagedFileError
from unprompt.index.base.safe.plain_files import bare_name
from unprompt.index.base.settings import STRICT, read_settings, write_settings
from unprompt.index.sealed.records import FileRecord
from unprompt.index.sealed.seal import index_changes
from unprompt.index.search.effort import Effort, Recall, TriedIndex

MANIFEST, FORMAT = "manifest.json", 2
MAX_MANIFEST = 8 * 2**20  # bytes
Count = Annotated[int, Field(ge=0, lt=2**40)]
Dim = Annotated[int, Field(gt=0, le=2**16)]
VECTORS, LISTS = "index.faiss", "lists.ivfdata"
ROWS_FILE, LOOKUP = "rows.parquet", "rows.sqlite"
TARGETS, KEYS, LENGTHS, REMOVED = "targets.npy", "keys.npy", "lengths.npy", "removed.npy"
CLASS_KEYS = "class"  # kind of the keys that are rows of a classifier
PROMPT_KEYS = "prompt"  # kind of the keys that are prompt vectors: the codes hold the targets too


@dataclass(frozen=True, config=STRICT)
class Segment:
    """Rows that were added at one time, and the files that hold them."""

    count: Count
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
    dim: Dim  # d_image
    target_dim: Dim  # d_prompt
    ntotal: Count  # rows, without removed ones
    prompts: Count  # distinct prompts among them
    recall: Recall | None
    files: dict[str, FileRecord]
    vectors: str  # the FAISS file; ids count the rows of all segments, removed ones included
    segments: tuple[Segment, ...]  # in the order of insertion
    effort: Effort = Effort()
    tried: tuple[TriedIndex, ...] = ()  # where recall was measured; the last one is this index
    lists: str | None = None  # .ivfdata, where the lists are too large for memory
    removed: str | None = None  # .npy, sorted ids of removed rows
    trained_rows: Count = 0  # rows that the index was trained on
    generation: Count = 1  # rises with every change
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


def write_manifest(folder: Path, manifest: IndexManifest) -> None:
    """Write the manifest of an index, after all its other files, with a digest of itself.

    The seal of a bundle around the index follows.
    """
    settings = write_settings(manifest)
    content = json_bytes({**settings, "digest": digest_json(settings)})
    with index_changes(folder, digest_bytes(content)):
        with write_atomically(folder / MANIFEST) as temporary:
            temporary.write_bytes(content)


def read_index_manifest(folder: Path) -> IndexManifest:
    """The manifest of an index.

    Raises DamagedFileError for one that is missing, changed, or of another format, and for files
    that are not in the folder.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise DamagedFileError(
            f"{folder} holds no finished index (no {MANIFEST}); run `unprompt build` to make one"
        )
    content = read_json(path, MAX_MANIFEST)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise DamagedFileError(
            f"{path} is not an index manifest of format {FORMAT}; rebuild the index with this "
            "version"
        )
    digest = content.pop("digest", None)  # earlier versions wrote none
    if digest is not None and digest != digest_json(content):
        raise DamagedFileError(
            f"{path} has changed since it was written; fetch the index again, or rebuild it"
        )
    manifest = read_settings(IndexManifest, content, str(path))
    _check_names(manifest, str(path))
    return manifest


def _check_names(manifest: IndexManifest, origin: str) -> None:
    """Refuse paths, files without a record, and counts that do not fit together."""
    named = [manifest.vectors, manifest.lists, manifest.removed]
    named += [name for segment in manifest.segments for name in segment.files]
    for name in (*manifest.files, *filter(None, named)):
        bare_name(name, origin)
        if name not in manifest.files:
            raise DamagedFileError(f"{origin} has no record of {name}; rebuild the index")
    if not manifest.segments or not manifest.prompts <= manifest.ntotal <= manifest.stored:
        raise DamagedFileError(
            f"{origin} counts {manifest.ntotal} rows of {manifest.prompts} prompts, its files hold "
            f"{manifest.stored}; rebuild the index"
        )
