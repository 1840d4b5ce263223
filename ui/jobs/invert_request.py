"""What `unprompt invert` is asked for: its arguments and options, read."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unprompt.index.engines.engine import LOCAL, EngineConfig
from unprompt.inversion.query import Query


@dataclass(frozen=True)
class InvertRequest:
    """What the user asked for."""

    paths: tuple[str, ...]
    bundle: Path | None
    as_json: bool
    output: Path | None
    submission: Path | None
    query: Query
    settings: Mapping[str, Any]  # of neighbours and blend, over what was tuned
    engine: EngineConfig = LOCAL
    gpu_search: bool = False  # exact, on the GPUs that FAISS sees
