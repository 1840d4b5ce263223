"""An output file or folder -> one writer at a time; the others are told at once who it is.

.NAME.lock beside the output names the owner, as JSON, while the system's lock on it is held. The
system gives that lock up when the process ends, however it ends: what a kill leaves is only a file,
which the next owner takes over.
"""

import errno
import hashlib
import json
import os
import platform
import re
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from unprompt.index.base.durable import cannot_write
from unprompt.index.base.errors import OutputInUseError, UnpromptError
from unprompt.index.base.processes.temporary import LONGEST, is_alive

NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)
WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP)
SIGNING_S = 0.1  # between an owner's lock and its name in the file, at most

_held: dict[tuple[str, int], int] = {}  # depth, by output and thread
_handles: set[int] = set()


@contextmanager
def owned(*outputs: Path | None, share: str | None = None) -> Iterator[None]:
    """Keep every other writer of the outputs out while the block runs; None is no output.

    `share` names this process' share of work that several processes do together, such as `3/8`:
    they own the output together, and each its share. The thread that owns an output may own it
    again within the block. Raises OutputInUseError where another process or thread owns an output,
    and UnpromptError where its folder cannot be written.
    """
    with ExitStack() as stack:
        for output in sorted({Path(os.path.realpath(path)) for path in outputs if path}):
            stack.enter_context(_owned(output, share))
        yield


@contextmanager
def unchanged(folder: Path) -> Iterator[None]:
    """Keep writers of a folder out while it is read; several readers may do so at a time.

    Raises OutputInUseError where a process writes it. A folder that nobody may write needs no lock.
    """
    output = Path(os.path.realpath(folder))
    with ExitStack() as stack:
        try:
            stack.enter_context(_lock(output, output.name, shared=True))
        except OutputInUseError:
            raise
        except UnpromptError:
            pass
        yield


@contextmanager
def _owned(output: Path, share: str | None) -> Iterator[None]:
    key = (str(output), threading.get_ident())
    with ExitStack() as stack:
        if key not in _held:
            stack.enter_context(_lock(output, output.name, shared=share is not None))
        if key not in _held and share is not None:
            name = f"{output.name}.{share.replace('/', '-of-')}"
            stack.enter_context(_lock(output, name, shared=False))
        _held[key] = _held.get(key, 0) + 1
        try:
            yield
        finally:
            _held[key] -= 1
            if not _held[key]:
                del _held[key]


@contextmanager
def _lock(output: Path, name: str, shared: bool) -> Iterator[None]:
    try:
        import fcntl
    except ImportError:  # Windows: no lock there
        yield
        return
    path, handle = _acquire(output, name, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
    if handle is None:
        yield
        return
    _handles.add(handle)
    try:
        if not shared:
            _sign(handle)
        yield
    finally:
        with suppress(OSError):  # others share it, or the folder is gone
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
        _handles.discard(handle)
        os.close(handle)


def _acquire(output: Path, name: str, way: int) -> tuple[Path, int | None]:
    """The lock file and its locked handle; no handle where the file system has no locks."""
    import fcntl

    while True:
        path, handle = _open(output, name)
        try:
            fcntl.flock(handle, way | fcntl.LOCK_NB)
        except BlockingIOError:
            who = _owner_in_words(path, handle)
            os.close(handle)
            raise OutputInUseError(
                f"{output} is being written by {who}; run the same command again when it is done, "
                "or choose another output"
            ) from None
        except OSError as error:
            os.close(handle)
            if error.errno not in WITHOUT_LOCKS:
                raise cannot_write(output, error) from error
            warnings.warn(f"no locks where {output} lies: start no second writer", stacklevel=2)
            return path, None
        if _is_at(handle, path):
            return path, handle
        os.close(handle)  # the owner before removed the file in between


def _open(output: Path, name: str) -> tuple[Path, int]:
    """Open the lock file beside the output, or in it where it alone can be written."""
    if len(os.fsencode(name)) > LONGEST:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()[:32]
    inside = output / f".{name}.lock"
    if os.path.ismount(output):  # beside it is another disk, which others do not see
        return inside, _open_file(output, inside)
    beside = output.with_name(f".{name}.lock")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        return beside, _open_file(output, beside)
    except OSError as error:
        raise cannot_write(output, error) from error
    except UnpromptError as error:
        cause = error.__cause__
        if isinstance(cause, OSError) and cause.errno in NOT_ALLOWED and output.is_dir():
            return inside, _open_file(output, inside)
        raise


def _open_file(output: Path, path: Path) -> int:
    flags = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        return os.open(path, flags | os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        if error.errno in NOT_ALLOWED:
            with suppress(OSError):  # the file of another user, which can be locked all the same
                return os.open(path, flags | os.O_RDONLY)
        raise cannot_write(output, error) from error


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.lstat(path))
    except FileNotFoundError:
        return False


def _sign(handle: int) -> None:
    since = datetime.now().astimezone().isoformat(" ", "seconds")
    owner = {"pid": os.getpid(), "host": platform.node(), "since": since}
    with suppress(OSError):  # a full disk, the file of another user: the lock holds without a name
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(owner).encode(), 0)


def _owner_in_words(path: Path, handle: int) -> str:
    """Who holds the lock, as its file says, or that of a share."""
    end = time.monotonic() + SIGNING_S
    while (owner := _read_owner(handle) or _read_share(path)) is None and time.monotonic() < end:
        time.sleep(0.01)
    if owner is None:
        return "another process"
    pid, host, since = owner
    if host != platform.node():
        return f"the process {pid} on {host} since {since}"
    if pid == os.getpid():
        return f"another thread of this process since {since}"
    return f"the process {pid} since {since}" if is_alive(pid) else "another process"


def _read_owner(handle: int) -> tuple[int, str, str] | None:
    try:
        content: Any = json.loads(os.pread(handle, 1000, 0))
        return int(content["pid"]), str(content["host"])[:100], str(content["since"])[:40]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _read_share(path: Path) -> tuple[int, str, str] | None:
    """The first owner of a share of the output, whose lock lies beside `path`."""
    share = re.compile(re.escape(path.name.removesuffix(".lock")) + r"\.\d+-of-\d+\.lock")
    for name in sorted(os.listdir(path.parent)):
        if share.fullmatch(name):
            with suppress(OSError):
                handle = os.open(path.with_name(name), os.O_RDONLY | os.O_NOFOLLOW)
                try:
                    return _read_owner(handle)
                finally:
                    os.close(handle)
    return None


def _in_child() -> None:
    """A forked process owns nothing; its copies of the handles would outlive the owner."""
    for handle in _handles:
        with suppress(OSError):
            os.close(handle)
    _handles.clear()
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
