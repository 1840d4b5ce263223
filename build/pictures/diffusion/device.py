"""Where a process renders: settings -> a torch device's name, a number type, a batch size.

A CPU computes with as many threads as OMP_NUM_THREADS says.
"""

import multiprocessing

from unprompt.build.pictures.diffusion.config import DiffusionConfig
from unprompt.index.base.errors import ConfigError

GPU_BATCH, CPU_BATCH = 8, 1
DTYPES = {"fp16": "float16", "bf16": "bfloat16", "fp32": "float32", "fp64": "float64"}


def choose_device(config: DiffusionConfig) -> str:
    """The device that `config` names; `auto` gives each worker of a machine a GPU of its own."""
    import torch

    if config.device != "auto":
        try:
            torch.empty(0, device=config.device)
        except (RuntimeError, AssertionError) as error:
            raise ConfigError(
                f"render.diffusion.device {config.device} cannot be used ({error}); `auto` takes "
                "what there is"
            ) from error
        return config.device
    if torch.cuda.is_available():
        return f"cuda:{_worker_number() % torch.cuda.device_count()}"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def choose_dtype(config: DiffusionConfig, device: str) -> str:
    """The number type that is computed in, as a name of torch."""
    if config.dtype != "auto":
        return DTYPES[config.dtype]
    return DTYPES["fp32" if device == "cpu" else "fp16"]


def choose_batch_size(config: DiffusionConfig, device: str) -> int:
    """How many pictures are drawn at once."""
    return config.batch_size or (CPU_BATCH if device == "cpu" else GPU_BATCH)


def describe_device(device: str) -> str:
    """What a row says about where it was drawn."""
    import torch

    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


def _worker_number() -> int:
    """The place of this process among its pool's workers, counted from 0; 0 outside a pool."""
    identity: tuple[int, ...] = getattr(multiprocessing.current_process(), "_identity", ())
    return identity[-1] - 1 if identity else 0
