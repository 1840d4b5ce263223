"""The text side of a CLIP: texts -> unit vectors (n, d) in the space of its pictures."""

import importlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from unprompt.index.base.errors import ConfigError
from unprompt.index.encoders.protocols import EncoderConfig
from unprompt.index.towers.clip import Clip, load_clip


class ClipTextEncoder:
    """The text side of a loaded CLIP, in the same space as its pictures."""

    def __init__(self, clip: Clip):
        if clip.config.output != "embedding":
            raise ConfigError(
                f"text keys need the joint space of a CLIP, but encoder.output is "
                f"{clip.config.output!r}; set `encoder.output: embedding`"
            )
        self._clip = clip
        self.space = clip.space
        self.dim = clip.dim

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Texts -> unit vectors (n, d) float32 of the joint space."""
        torch = importlib.import_module("torch")
        clip = self._clip
        blocks = [np.zeros((0, self.dim), dtype=np.float32)]
        with torch.inference_mode():
            for start in range(0, len(texts), clip.batch_size):
                tokens = clip.tokenizer(list(texts[start : start + clip.batch_size]))
                vectors = clip.model.encode_text(tokens.to(clip.device), normalize=True)
                blocks.append(vectors.float().cpu().numpy())
        return np.concatenate(blocks)


def load_text_tower(
    config: EncoderConfig, threads: int | None = None, trained: Path | None = None
) -> ClipTextEncoder:
    """Load the text side of the CLIP that `config` names. OMP_NUM_THREADS sets torch's threads."""
    return ClipTextEncoder(load_clip(config, trained=trained))
