"""The features of a tower: its pooled last layer and channel statistics of the last stages.

Encoders (`image_graph.py`) and training use the same functions.
"""

import importlib
from collections.abc import Sequence
from typing import Any

STAGES = 4


# A part of an encoder's identity, because another form gives other vectors.
OUTPUT_FORMS = {
    "embedding": "embedding",
    "pooled": "pooled",
    "features": f"pooled + statistics of {STAGES} stages",
    "prediction": f"pooled + statistics of {STAGES} stages -> trained head",
}


def channel_statistics(activation: Any) -> Any:
    """Mean and standard deviation of each channel: (n, c, h, w) -> (n, 2 * c)."""
    torch = importlib.import_module("torch")
    spread = activation.var((2, 3), unbiased=False).clamp_min(1e-12).sqrt()
    return torch.cat([activation.mean((2, 3)), spread], dim=1)


def join_features(parts: Sequence[Any]) -> Any:
    """Join parts (n, d_i) to (n, sum of d_i), each scaled to unit length for equal weight."""
    torch = importlib.import_module("torch")
    normalize = torch.nn.functional.normalize
    return normalize(torch.cat([normalize(part, dim=-1) for part in parts], -1), dim=-1)
