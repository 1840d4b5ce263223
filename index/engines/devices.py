"""The GPUs that torch sees -> the workers that a stage can use, and its prompt encoder."""

import importlib
from pathlib import Path

from unprompt.index.encoders.protocols import PromptEncoder
from unprompt.index.engines.engine import Demand
from unprompt.index.exported.export import read_description
from unprompt.index.prompt_encoders.minilm import load_prompt_encoder
from unprompt.index.prompt_encoders.target_encoder import load_bulk_prompt_encoder


def cuda_devices() -> int:
    """Number of GPUs that torch finds; 0 without torch."""
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        return 0
    return int(torch.cuda.device_count())


def tower_demand(encoder: Path) -> Demand:
    """One process per GPU for a torch tower; one process for OpenVINO, which uses all cores."""
    return Demand(devices=cuda_devices() if read_description(encoder).runtime == "torch" else 0)


def load_target_encoder() -> PromptEncoder:
    """The prompt encoder of a corpus: sentence-transformers on a GPU, OpenVINO on all cores."""
    if cuda_devices():
        return load_prompt_encoder()
    return load_bulk_prompt_encoder()
