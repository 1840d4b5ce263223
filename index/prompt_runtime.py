"""Prompts -> target vectors (n, 384) through OpenVINO: a query's prompt encoder, without torch.

The graph is made once from the installed all-MiniLM-L6-v2, which needs torch, and kept in the
user's cache folder; after that a query starts in a fraction of a second.
"""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

import numpy as np

from unprompt.index.durable import digest_file, read_json, write_json
from unprompt.index.errors import DamagedFileError, MissingDependencyError, UnpromptError
from unprompt.index.halves import widen
from unprompt.index.kept import cache_folder
from unprompt.index.minilm import (
    PROMPT_DIM,
    TOKENIZER,
    WORDS,
    export_prompt_graph,
    minilm_folder,
    prompt_space,
)
from unprompt.index.openvino_graph import GRAPH, WEIGHTS, TextGraph

DESCRIPTION = "encoder.json"
FORMAT = 3  # of the kept graph
MAX_TOKENS = 256
BATCH = 16


class OpenVinoPromptEncoder:
    """The kept graph with its tokenizer."""

    dim = PROMPT_DIM

    def __init__(self, folder: Path, threads: int | None = None):
        from tokenizers import Tokenizer

        description = read_json(folder / DESCRIPTION)
        self.space: str = description["space"]
        self._graph = TextGraph(folder, description["files"], threads)
        self._words = WordVectors(folder / WORDS)
        self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.no_padding()

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Prompts -> unit vectors (n, 384) float32."""
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        tokens = [found.ids for found in self._tokenizer.encode_batch(list(texts))]
        # texts of like length together: short ones are not padded to the longest
        order = sorted(range(len(texts)), key=lambda place: len(tokens[place]))
        for start in range(0, len(order), BATCH):
            places = order[start : start + BATCH]
            width = max(len(tokens[place]) for place in places)
            ids = np.zeros((len(places), width), dtype=np.int64)
            mask = np.zeros_like(ids)
            for row, place in enumerate(places):
                ids[row, : len(tokens[place])] = tokens[place]
                mask[row, : len(tokens[place])] = 1
            vectors[places] = self._graph(self._words(ids), mask)
        return vectors


class WordVectors:
    """The words' own vectors, of which a query needs some dozens: read from the file one by one.

    A memory map of it would bring sixteen pages into memory for each.
    """

    def __init__(self, path: Path):
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)  # (w, d) float16
        self._start, self._dim, self._kind = mapped.offset, mapped.shape[1], mapped.dtype
        self._handle = path.open("rb")
        self._lock = Lock()

    def __call__(self, ids: np.ndarray) -> np.ndarray:
        """Ids (n, t) -> (n, t, d) float32."""
        wanted, places = np.unique(ids, return_inverse=True)
        width, rows = self._dim * self._kind.itemsize, []
        with self._lock:
            for number in wanted.tolist():
                self._handle.seek(self._start + number * width)
                rows.append(self._handle.read(width))
        found = np.frombuffer(b"".join(rows), self._kind).reshape(len(wanted), self._dim)
        return widen(found)[places.reshape(ids.shape)]


def load_prompt_runtime(threads: int | None = None) -> OpenVinoPromptEncoder:
    """The prompt encoder of a query, made on first use.

    Raises MissingDependencyError where all-MiniLM-L6-v2 is not installed, or where the graph is
    not made yet and torch is missing.
    """
    space = prompt_space(str(minilm_folder()))
    folder = cache_folder() / f"prompt-encoder-{space}-{FORMAT}"
    try:
        import tokenizers  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            f"composing prompts needs tokenizers ({error}): pip install 'unprompt[build,cpu]'"
        ) from error
    if not (folder / DESCRIPTION).is_file():
        _make(folder)
    try:
        return OpenVinoPromptEncoder(folder, threads)
    except (RuntimeError, OSError, KeyError, ValueError, DamagedFileError) as error:
        raise UnpromptError(
            f"the prompt encoder kept in {folder} is broken ({error}); delete the folder, it is "
            "made again"
        ) from error


def _make(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        made = Path(name) / "made"
        made.mkdir()
        space = export_prompt_graph(made)
        files = {name: digest_file(made / name) for name in (GRAPH, WEIGHTS)}
        write_json(made / DESCRIPTION, {"space": space, "files": files})
        try:
            made.replace(folder)
        except OSError:  # another process was first
            if not (folder / DESCRIPTION).is_file():
                shutil.rmtree(folder, ignore_errors=True)
                made.replace(folder)
