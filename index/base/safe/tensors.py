"""A safetensors file of a stranger -> its tensors, by the names and ranks that are wanted."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from unprompt.index.base.errors import DamagedFileError
from unprompt.index.base.safe.bounded_json import parse_json
from unprompt.index.base.safe.plain_files import open_regular

MAX_HEADER = 4 * 2**20  # bytes
KINDS = ("F16", "F32", "F64", "BF16", "I8", "U8", "I16", "I32", "I64", "BOOL")


def load_tensors(path: Path, ranks: Mapping[str, int], remedy: str) -> dict[str, np.ndarray]:
    """The tensors named in `ranks`, each of its rank, of finite numbers, as float32.

    Further tensors, missing ones and other ranks raise DamagedFileError, as does what is no
    safetensors file.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    check_header(path, remedy)
    try:
        found = load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedFileError(f"{path} is broken: {error}. {remedy}") from error
    if set(found) != set(ranks):
        odd = min(set(found) ^ set(ranks))
        raise DamagedFileError(
            f"{path} is broken: it must hold the tensors {', '.join(sorted(ranks))}; {odd} is "
            f"{'not one of them' if odd in found else 'missing'}. {remedy}"
        )
    for name, rank in ranks.items():
        if found[name].ndim != rank:
            raise DamagedFileError(
                f"{path} is broken: {name} has the shape {found[name].shape}, wanted {rank} "
                f"dimensions. {remedy}"
            )
        found[name] = np.asarray(found[name], dtype=np.float32)
        if not np.isfinite(found[name]).all():
            raise DamagedFileError(
                f"{path} is broken: {name} holds numbers that are not finite. {remedy}"
            )
    return found


def load_torch_tensors(path: Path, remedy: str) -> dict[str, Any]:
    """All tensors as torch has them; raises DamagedFileError for what is no safetensors file."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    check_header(path, remedy)
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise DamagedFileError(f"{path} is broken: {error}. {remedy}") from error


def tensor_names(path: Path, remedy: str) -> set[str]:
    """The names of the tensors, from the header alone."""
    return set(check_header(path, remedy))


def check_header(path: Path, remedy: str) -> dict[str, Any]:
    """The header of a safetensors file, whose tensors lie end to end up to its last byte.

    Raises DamagedFileError for any other file.
    """
    try:
        with open_regular(path) as handle:
            size = os.fstat(handle.fileno()).st_size
            length = int.from_bytes(handle.read(8), "little")
            if not 2 <= length <= min(MAX_HEADER, size - 8):
                raise ValueError(f"its header has {length} bytes")
            header = parse_json(handle.read(length).rstrip(), f"the header of {path}")
        header.pop("__metadata__", None)
        spans = sorted(tuple(one["data_offsets"]) for one in header.values())
        end = 0
        for start, stop in spans:
            if start != end or stop < start:
                raise ValueError("its tensors do not lie end to end")
            end = stop
        if end != size - 8 - length or any(one["dtype"] not in KINDS for one in header.values()):
            raise ValueError("its header does not fit its size")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedFileError(f"{path} is broken: {error}. {remedy}") from error
    return dict(header)
