"""This machine -> CPU, GPU, number of cores and library versions, for a file of rates."""

import errno
import importlib
import importlib.metadata
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LIBRARIES = (
    "unprompt", "torch", "openvino", "faiss-cpu", "faiss-gpu", "open_clip_torch",
    "sentence-transformers", "diffusers",
)  # fmt: skip
_MEMORY = os.strerror(errno.ENOMEM)


@dataclass(frozen=True)
class Machine:
    """The hardware and library versions that a measurement belongs to."""

    cpu: str
    cores: int  # that this process can use
    gpu: str | None  # name of the first GPU, if torch finds one
    versions: dict[str, str]


def describe_machine() -> Machine:
    """Describe this machine; imports torch where it is installed."""
    return Machine(_cpu_name(), own_cores(), _gpu_name(), _versions())


def gpu_kind(name: str, known: Sequence[str]) -> str:
    """`A100` for NVIDIA A100-SXM4-80GB where rates know it; else the name without its maker."""
    for kind in sorted(known, key=len, reverse=True):
        if kind.lower() in name.lower():
            return kind
    return name.removeprefix("NVIDIA ").removeprefix("GeForce ")


def shortage(error: BaseException) -> str | None:
    """What this machine has too little of, and how to mend it; None for an error of another kind.

    Libraries tell the system's reason in their messages only.
    """
    code = error.errno if isinstance(error, OSError) else None
    if isinstance(error, MemoryError) or code == errno.ENOMEM or _MEMORY in str(error):
        return "there is too little memory: end other programs, or use a machine with more"
    if code in (errno.EMFILE, errno.ENFILE) or os.strerror(errno.EMFILE) in str(error):
        return "too many files are open: raise the limit with `ulimit -n 4096`"
    return None


def _gpu_name() -> str | None:
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        return None
    return str(torch.cuda.get_device_name(0)) if torch.cuda.is_available() else None


def own_cores() -> int:
    """Number of cores that this process can use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_name() -> str:
    path = Path("/proc/cpuinfo")
    if path.is_file():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _versions() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
