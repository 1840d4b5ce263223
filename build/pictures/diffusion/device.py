"""Diffusion settings -> the torch device, the dtype and the batch size of this process.

OMP_NUM_THREADS sets the number of threads on a CPU.
"""

import multiprocessing

from unprompt.build.pictures.diffusion.config import DiffusionConfig
from unprompt.index.base.errors import ConfigError

GPU_BATCH, CPU_BATCH = 8, 1
DTYPES = {"fp16": "float16", "bf16": "bfloat16", "fp32": "float32", "fp64": "float64"}


def choose_device(config: DiffusionConfig) -> str:
    """The device of `config`; `auto` gives each worker of a machine its own GPU."""
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
    """The torch name of the dtype for computation."""
    if config.dtype != "auto":
        return DTYPES[config.dtype]
    return DTYPES["fp32" if device == "cpu" else "fp16"]


def choose_batch_size(config: DiffusionConfig, device: str) -> int:
    """Number of pictures per batch."""
    return config.batch_size or (CPU_BATCH if device == "cpu" else GPU_BATCH)


def describe_device(device: str) -> str:
    """The name of the device, as the rows record it."""
    import torch

    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


def _worker_number() -> int:
    """Number of this process in its pool of workers, from 0; 0 outside a pool."""
    identity: tuple[int, ...] = getattr(multiprocessing.current_process(), "_identity", ())
    return identity[-1] - 1 if identity else 0
