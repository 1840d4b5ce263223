"""An initial head from text alone: CLIP text vectors -> prompt vectors (n, d_prompt).

7th place fitted such a linear map on a million prompts. In a CLIP, pictures lie near their
texts, so the map of the texts is a good initial head for pictures.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from unprompt.index.base.errors import ConfigError
from unprompt.index.encoders.protocols import to_unit_length
from unprompt.index.towers.clip_text import ClipTextEncoder
from unprompt.inversion.train.data.pairs import TrainingData
from unprompt.inversion.train.towers.build import LoadedTower
from unprompt.inversion.train.towers.clip_vit import ClipVitTower

PENALTIES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
HELD_OUT = 10  # every tenth prompt chooses the penalty


def fit_text_map(
    texts: np.ndarray, targets: np.ndarray, penalties: Sequence[float] = PENALTIES
) -> np.ndarray:
    """The ridge map (d_clip, d_prompt) without bias, with the best penalty on a held-out tenth."""
    x, y = texts.astype(np.float64), targets.astype(np.float64)
    kept = np.arange(len(x)) % HELD_OUT != 0
    if kept.all() or not kept.any():
        raise ConfigError(f"a text map needs at least two prompts, got {len(x)}")
    scores = [_cosine(x[~kept] @ _ridge(x[kept], y[kept], p), y[~kept]) for p in penalties]
    return _ridge(x, y, penalties[int(np.argmax(scores))]).astype(np.float32)


def start_from_text_map(head: Any, loaded: LoadedTower, data: TrainingData) -> None:
    """Set a linear head to the map fitted on the training prompts of the first stage.

    Raises ConfigError if the features of the tower are not the joint vector of a CLIP.
    """
    if not isinstance(loaded.tower, ClipVitTower) or loaded.clip is None:
        raise ConfigError(
            "head.initial text_map needs one of open_clip's own ViTs, whose features lie in the "
            f"space of its texts; got {type(loaded.tower).__name__}. Set head.initial random"
        )
    pairs = data.stages[0]
    _, first = np.unique(pairs.prompts, return_index=True)
    texts = ClipTextEncoder(loaded.clip).encode([pairs.texts[row] for row in first])
    found = fit_text_map(texts, pairs.targets[first])
    with torch.no_grad():
        head.out.weight.copy_(torch.from_numpy(found.T.copy()))


def _ridge(x: np.ndarray, y: np.ndarray, penalty: float) -> np.ndarray:
    gram = x.T @ x + penalty * len(x) * np.eye(x.shape[1])
    return np.linalg.solve(gram, x.T @ y)


def _cosine(found: np.ndarray, wanted: np.ndarray) -> float:
    return float((to_unit_length(found) * to_unit_length(wanted)).sum(1).mean())
