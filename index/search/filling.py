"""Keys (n, d_image) in a file -> a filled index, in parts: by several processes, after a kill.

WORK/for.json                  what the work is for; work for anything else is deleted
WORK/KIND/trained.faiss        trained on a sample, without rows
WORK/KIND/codes_00003.npy      (m, c) uint8, the codes of the rows of part 3
WORK/KIND/group_00001.faiss    several parts as one index, where lists stay on disk
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unprompt.index.base.durable import digest_json, read_json, write_json
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.engines.engine import LOCAL, EngineConfig, map_shards
from unprompt.index.search.codes import Coder
from unprompt.index.search.faiss_files import merge_lists, write_vectors
from unprompt.index.search.training import add_keys, train
from unprompt.index.vectors.faiss_library import load_faiss
from unprompt.index.vectors.matrix import open_matrix, write_matrix

PART_ROWS = 524_288
PARTS_PER_GROUP = 8  # whose lists are in memory at a time, where all lists would not fit


@dataclass(frozen=True)
class EncodePart:
    """Shard work for an engine: encode one part of a file of keys by a trained index."""

    folder: Path
    keys: Path
    part_rows: int

    @property
    def trained(self) -> Path:
        """The index without rows."""
        return self.folder / "trained.faiss"

    def codes(self, part: int) -> Path:
        """The codes of a part; the file exists once they are complete."""
        return self.folder / f"codes_{part:05d}.npy"

    def group(self, number: int) -> Path:
        """Several parts as one index."""
        return self.folder / f"group_{number:05d}.faiss"

    def load(self, threads: int | None) -> Callable[[int], None]:
        """Load the index once; the function returned writes the codes of one part."""
        faiss = load_faiss()
        if threads is not None:
            faiss.omp_set_num_threads(threads)
        coder, keys = Coder(faiss.read_index(str(self.trained))), open_matrix(self.keys)

        def encode(part: int) -> None:
            start = part * self.part_rows
            codes = coder.encode(keys[start : start + self.part_rows])
            write_matrix(self.codes(part), codes, np.uint8)

        return encode


@dataclass(frozen=True)
class PartFill:
    """Fills an index in parts, in a work folder that a killed build leaves for the next one."""

    folder: Path
    keys: Path  # .npy (n, d_image)
    identity: str  # of the keys: work for other keys is deleted
    engine: EngineConfig = LOCAL
    part_rows: int = PART_ROWS

    def fill(self, factory: str, progress: Progress = SILENT, lists: Path | None = None) -> Any:
        """Train and fill what is not done yet; `lists`: the file of lists that stay on disk.

        Raises UnpromptError where FAISS cannot build the index, or on a full disk.
        """
        work, trained = self._train(factory, progress)
        if lists is None and not Coder.can_code(trained):
            return add_keys(trained, factory, open_matrix(self.keys), progress)
        parts = self._encode(work, progress)
        if lists is not None:
            return merge_lists(trained, self._group(work, parts), lists)
        return Coder(trained).fill(open_matrix(work.codes(part)) for part in parts)

    def _train(self, factory: str, progress: Progress) -> tuple[EncodePart, Any]:
        """The work on one kind of index, and the index without rows."""
        record = self.folder / "for.json"
        wanted = {"keys": self.identity, "rows_each": self.part_rows}
        if not record.is_file() or read_json(record) != wanted:
            shutil.rmtree(self.folder, ignore_errors=True)
            write_json(record, wanted)
        work = EncodePart(self.folder / digest_json(factory)[:12], self.keys, self.part_rows)
        if work.trained.is_file():
            trained = load_faiss().read_index(str(work.trained))
            progress.note(f"index: continuing with {factory}, which is trained already")
        else:
            trained = train(factory, open_matrix(self.keys), progress)
            work.folder.mkdir(parents=True, exist_ok=True)
            write_vectors(work.trained, trained)
        return work, trained

    def _encode(self, work: EncodePart, progress: Progress) -> range:
        """Write the codes that are missing; returns the numbers of all parts."""
        parts = range(-(-len(open_matrix(self.keys)) // self.part_rows))
        left = {part: part for part in parts if not work.codes(part).is_file()}
        done = map_shards(work, left, self.engine)
        for _ in progress.track(done, "fill index", len(parts), len(parts) - len(left)):
            pass
        return parts

    def _group(self, work: EncodePart, parts: range) -> list[Any]:
        """Mapped indexes of PARTS_PER_GROUP parts each."""
        faiss, groups = load_faiss(), []
        for start in range(0, len(parts), PARTS_PER_GROUP):
            path = work.group(start // PARTS_PER_GROUP)
            if not path.is_file():
                grouped = parts[start : start + PARTS_PER_GROUP]
                coder = Coder(faiss.read_index(str(work.trained)))
                codes = (open_matrix(work.codes(part)) for part in grouped)
                write_vectors(path, coder.fill(codes, start * self.part_rows))
            groups.append(faiss.read_index(str(path), faiss.IO_FLAG_MMAP))
        return groups
