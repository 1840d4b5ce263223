"""A path -> a temporary name beside it, and the removal of those that dead processes left.

NAME.HOST-PID-RANDOM.tmp: the host and the process that write it.
"""

import hashlib
import os
import platform
import re
import secrets
import time
from functools import cache
from pathlib import Path

SUFFIX = ".tmp"
OWNER = re.compile(r"\.([0-9a-f]{6})-(\d+)-[0-9a-f]{6}\.tmp")
LONGEST = 200  # bytes of a name before the owner; a longer one is replaced by its digest
FORGOTTEN_S = 2 * 86400  # age from which the file of a process on another host counts as left


def temporary_beside(path: Path) -> Path:
    """A new name in the folder of `path`; no other call returns the same."""
    owner = f"{own_host()}-{os.getpid()}-{secrets.token_hex(3)}"
    return path.with_name(f"{_stem(path)}.{owner}{SUFFIX}")


def remove_abandoned(path: Path) -> None:
    """Remove the temporary files of `path` whose writers are dead."""
    stem = _stem(path)
    try:
        with os.scandir(path.parent) as entries:
            names = [one.name for one in entries if one.name.startswith(stem)]
        for name in names:
            found = OWNER.fullmatch(name, len(stem))
            left = path.with_name(name)
            if found is not None and _is_abandoned(left, found[1], int(found[2])):
                left.unlink(missing_ok=True)
    except OSError:  # the folder is gone or cannot be listed: the file itself is written
        return


@cache
def own_host() -> str:
    """A short digest of this host and its processes: equal for all that see the same ids."""
    parts = [platform.node()]
    try:
        parts.append(os.readlink("/proc/self/ns/pid"))  # containers count on their own
    except OSError:
        pass
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:6]


def is_alive(process: int) -> bool:
    """Whether a process of this host runs."""
    if os.name == "nt":  # os.kill would end it there
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


def _is_abandoned(path: Path, host: str, process: int) -> bool:
    if host == own_host():
        return not is_alive(process)
    return time.time() - path.stat().st_mtime > FORGOTTEN_S


def _stem(path: Path) -> str:
    name = os.fsencode(path.name)
    return path.name if len(name) <= LONGEST else hashlib.sha256(name).hexdigest()[:32]
