"""Prompts -> target vectors (n, 384) through OpenVINO, for queries and for corpora.

The first use exports the installed all-MiniLM-L6-v2 into the user's cache folder, which needs
torch. Later processes load the export in a fraction of a second.
"""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from unprompt.index.base.durable import digest_file, write_json
from unprompt.index.base.errors import DamagedFileError, UnpromptError
from unprompt.index.base.machine import own_cores
from unprompt.index.prompt_encoders.minilm import (
    PROMPT_DIM,
    export_prompt_graph,
    minilm_folder,
    prompt_space,
)
from unprompt.index.prompt_encoders.saved_encoder import (
    DESCRIPTION,
    describe_prompt_encoder,
    load_tokenizer,
)
from unprompt.index.prompt_encoders.token_embeddings import TokenEmbeddings
from unprompt.index.runtime.cache import cache_folder, is_writable
from unprompt.index.runtime.compiled import SavedGraph, query_streams
from unprompt.index.runtime.infer_pool import TextPool, has_bf16, precision_here
from unprompt.index.runtime.openvino_graph import GRAPH, WEIGHTS, Storage, TextGraph
from unprompt.index.runtime.self_check import FLOOR, compare
from unprompt.index.threads.in_threads import map_in_threads

BROKEN = (RuntimeError, OSError, KeyError, ValueError, DamagedFileError)
FORMAT = 4  # of the cached export
MAX_TOKENS = 256
BATCH = 16
SMALL_BATCH = 4  # texts; fewer per stream gain nothing
ROUND_TO = 8  # tokens; the first texts of every new shape take OpenVINO 15 ms more
SAMPLES = (  # short and long prompts that decide whether bf16 is accurate
    "an owl",
    "a red fox in the snow, soft light, 4k",
    "portrait of an old sailor, oil painting, dramatic lighting, by rembrandt",
    "isometric cutaway of a tiny library, " * 6,
)
TextRun = Callable[[np.ndarray, np.ndarray], np.ndarray]


class OpenVinoPromptEncoder:
    """An exported prompt encoder: tokenizer, token embeddings and graph, on one or more streams."""

    dim = PROMPT_DIM

    def __init__(self, folder: Path, graph: TextRun, streams: int = 1, round_to: int = 1):
        self.space = describe_prompt_encoder(folder, self.dim).space
        self._graph = graph
        self._streams = streams
        self._round_to = round_to
        self._words = TokenEmbeddings(folder)
        self._tokenizer = load_tokenizer(folder)
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.no_padding()

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Prompts -> unit vectors (n, 384) float32."""
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        tokens = [found.ids for found in self._tokenizer.encode_batch(list(texts))]
        # batches of similar length: less padding
        order = sorted(range(len(texts)), key=lambda place: len(tokens[place]))
        size = max(SMALL_BATCH, min(BATCH, -(-len(texts) // self._streams)))
        batches = [order[start : start + size] for start in range(0, len(order), size)]
        wanted = [[tokens[place] for place in places] for places in batches]
        found = map_in_threads(self._encode_batch, wanted, self._streams)
        for places, block in zip(batches, found, strict=True):
            vectors[places] = block
        return vectors

    def _encode_batch(self, tokens: list[list[int]]) -> np.ndarray:
        longest = -(-max(map(len, tokens)) // self._round_to) * self._round_to
        ids = np.zeros((len(tokens), longest), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, text in enumerate(tokens):
            ids[row, : len(text)] = text
            mask[row, : len(text)] = 1
        return self._graph(self._words(ids), mask)


def load_query_prompt_encoder(
    threads: int | None = None, streams: int | None = None
) -> OpenVinoPromptEncoder:
    """The prompt encoder for queries; see `open_prompt_encoder`.

    The first use exports it. Raises MissingDependencyError where all-MiniLM-L6-v2 is not
    installed, or torch where it must be exported; UnpromptError for a damaged export.
    """
    folder = _prepare()
    try:
        return open_prompt_encoder(folder, threads, streams)
    except BROKEN as error:
        raise _broken(folder, error) from error


def write_prompt_encoder(folder: Path, storage: Storage = "f16") -> None:
    """Export the installed prompt encoder into `folder`; `encoder.json` is written last."""
    space = export_prompt_graph(folder, storage)
    files = {name: digest_file(folder / name) for name in (GRAPH, WEIGHTS)}
    description = {"space": space, "files": files}
    write_json(folder / DESCRIPTION, {**description, "precision": "f32"})
    if is_accurate_in_bf16(folder):
        write_json(folder / DESCRIPTION, {**description, "precision": "bf16"})


def is_accurate_in_bf16(folder: Path) -> bool:
    """Whether this CPU has bf16 and an exported prompt encoder keeps its vectors in it."""
    if not has_bf16():
        return False
    wanted, found = (_load_pool(folder, kind, 1).encode(SAMPLES) for kind in ("f32", "bf16"))
    return compare(wanted, found).lowest >= FLOOR


def open_prompt_encoder(
    folder: Path, threads: int | None = None, streams: int | None = None
) -> OpenVinoPromptEncoder:
    """Load an exported prompt encoder for queries of any thread.

    `threads` limits the cores of OpenVINO, None takes all; `streams` of them run batches at the
    same time.
    """
    streams = streams or query_streams(threads)
    graph = TextGraph(_saved_graph(folder, _precision(folder), threads, streams))
    return OpenVinoPromptEncoder(folder, graph, streams, ROUND_TO)


def load_bulk_prompt_encoder(threads: int | None = None) -> OpenVinoPromptEncoder:
    """The prompt encoder for corpora: one core per batch; errors as for queries."""
    folder = _prepare()
    try:
        return _load_pool(folder, _precision(folder), threads or own_cores())
    except BROKEN as error:
        raise _broken(folder, error) from error


def _load_pool(folder: Path, precision: str, streams: int) -> OpenVinoPromptEncoder:
    graph = TextPool(_saved_graph(folder, precision), streams)
    return OpenVinoPromptEncoder(folder, graph, streams)


def _precision(folder: Path) -> str:
    """bf16 where it keeps the vectors and this CPU has it, else f32."""
    return precision_here(describe_prompt_encoder(folder, PROMPT_DIM).precision)


def _prepare() -> Path:
    space = prompt_space(str(minilm_folder()))
    folder = cache_folder() / f"prompt-encoder-{space}-{FORMAT}"
    if (folder / DESCRIPTION).is_file():
        return folder
    if not is_writable():
        return _for_this_process(folder.name)
    _make(folder)
    return folder


def _for_this_process(name: str) -> Path:
    """The prompt encoder in a temporary folder, where the cache folder cannot be written."""
    made = Path(_temporary_folder().name) / name
    if not (made / DESCRIPTION).is_file():
        made.mkdir(exist_ok=True)
        write_prompt_encoder(made)
    return made


@cache
def _temporary_folder() -> "tempfile.TemporaryDirectory[str]":
    """A folder that is removed when the process ends."""
    return tempfile.TemporaryDirectory(prefix="unprompt-")


def _saved_graph(
    folder: Path, precision: str, threads: int | None = None, streams: int = 1
) -> SavedGraph:
    digests = describe_prompt_encoder(folder, PROMPT_DIM).files
    return SavedGraph(folder / GRAPH, folder / WEIGHTS, digests, precision, threads, streams)


def _broken(folder: Path, error: Exception) -> UnpromptError:
    return UnpromptError(
        f"the prompt encoder cached in {folder} is damaged ({error}); delete the folder and run "
        "the same command again: it is exported anew"
    )


def _make(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        made = Path(name) / "made"
        made.mkdir()
        write_prompt_encoder(made)
        try:
            made.replace(folder)
        except OSError:  # another process was first
            if not (folder / DESCRIPTION).is_file():
                shutil.rmtree(folder, ignore_errors=True)
                made.replace(folder)
