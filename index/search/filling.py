"""Keys (n, d_image) in a file -> a filled index, part by part: in several processes, after a kill.

WORK/for.json                  what it is the work for; other work there is thrown away
WORK/KIND/trained.faiss        trained on a sample, and empty
WORK/KIND/codes_00003.npy      (m, c) uint8, the codes of the rows of part 3
WORK/KIND/group_00001.faiss    several parts as an index, where lists are to stay on disk
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
from unprompt.index.search.disk_lists import merge_lists
from unprompt.index.search.faiss_files import write_vectors
from unprompt.index.search.training import add_keys, train
from unprompt.index.vectors.faiss_library import load_faiss
from unprompt.index.vectors.matrix_files import open_matrix, write_matrix

PART = 524_288  # rows of a part
GROUP = 8  # parts whose lists are in memory at a time, where all of them would not fit


@dataclass(frozen=True)
class PartWork:
    """Parts of a file of keys to files of codes, by a trained index that stays loaded."""

    folder: Path
    keys: Path
    rows_each: int

    @property
    def trained(self) -> Path:
        """The empty index."""
        return self.folder / "trained.faiss"

    def codes(self, part: int) -> Path:
        """The codes of a part, whole where the file is there."""
        return self.folder / f"codes_{part:05d}.npy"

    def group(self, number: int) -> Path:
        """Some parts as an index of their own."""
        return self.folder / f"group_{number:05d}.faiss"

    def load(self, threads: int | None) -> Callable[[int], None]:
        """Load the index; the function writes the codes of one part."""
        faiss = load_faiss()
        if threads is not None:
            faiss.omp_set_num_threads(threads)
        coder, keys = Coder(faiss.read_index(str(self.trained))), open_matrix(self.keys)

        def encode(part: int) -> None:
            start = part * self.rows_each
            codes = coder.encode(keys[start : start + self.rows_each])
            write_matrix(self.codes(part), codes, np.uint8)

        return encode


@dataclass(frozen=True)
class Filling:
    """A folder where an index that takes long is filled, and who fills it."""

    folder: Path
    keys: Path  # .npy (n, d_image)
    identity: str  # of the keys: work for others is thrown away
    engine: EngineConfig = LOCAL
    rows_each: int = PART

    def fill(self, factory: str, progress: Progress = SILENT) -> Any:
        """Train and fill what is not done yet; raises UnpromptError where FAISS cannot build it."""
        work, trained = self._train(factory, progress)
        if not Coder.can_code(trained):
            return add_keys(trained, factory, open_matrix(self.keys), progress)
        parts = self._encode(work, progress)
        return Coder(trained).fill(open_matrix(work.codes(part)) for part in parts)

    def fill_on_disk(self, factory: str, lists: Path, progress: Progress = SILENT) -> Any:
        """The same with lists in a file of their own; raises UnpromptError on a full disk."""
        work, trained = self._train(factory, progress)
        parts, groups = self._encode(work, progress), []
        for start in range(0, len(parts), GROUP):
            path = work.group(start // GROUP)
            if not path.is_file():
                codes = (open_matrix(work.codes(part)) for part in parts[start : start + GROUP])
                coder = Coder(load_faiss().read_index(str(work.trained)))
                write_vectors(path, coder.fill(codes, start * self.rows_each))
            groups.append(load_faiss().read_index(str(path), load_faiss().IO_FLAG_MMAP))
        return merge_lists(trained, groups, lists)

    def _train(self, factory: str, progress: Progress) -> tuple[PartWork, Any]:
        """Where the parts of this kind are, and the empty index."""
        self._begin()
        work = PartWork(self.folder / digest_json(factory)[:12], self.keys, self.rows_each)
        if work.trained.is_file():
            trained = load_faiss().read_index(str(work.trained))
            progress.note(f"index: going on with {factory}, which is trained already")
        else:
            trained = train(factory, open_matrix(self.keys), progress)
            work.folder.mkdir(parents=True, exist_ok=True)
            write_vectors(work.trained, trained)
        return work, trained

    def _encode(self, work: PartWork, progress: Progress) -> range:
        """Make the codes that are missing; the numbers of all parts."""
        parts = range(-(-len(open_matrix(self.keys)) // self.rows_each))
        left = {part: part for part in parts if not work.codes(part).is_file()}
        done = map_shards(work, left, self.engine)
        for _ in progress.track(done, "fill index", len(parts), len(parts) - len(left)):
            pass
        return parts

    def discard(self) -> None:
        """Delete the work, once the index is written."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _begin(self) -> None:
        record = self.folder / "for.json"
        wanted = {"keys": self.identity, "rows_each": self.rows_each}
        if record.is_file() and read_json(record) == wanted:
            return
        self.discard()
        write_json(record, wanted)
