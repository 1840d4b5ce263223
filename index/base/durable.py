"""Content -> a file that is complete or absent: temporary name, sync, rename; and digests."""

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unprompt.index.base.errors import DamagedFileError, UnpromptError
from unprompt.index.base.processes.temporary import remove_abandoned, temporary_beside
from unprompt.index.base.safe.bounded_json import MAX_BYTES, parse_json
from unprompt.index.base.safe.plain_files import open_regular, read_bounded

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)  # only a write ends with these
ADVICE = {
    errno.ENOSPC: "free some space or choose another output folder",
    errno.EDQUOT: "free some space or choose another output folder",
    errno.EFBIG: "free some space or choose another output folder",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EISDIR: "a folder has this name: choose another output",
}


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it replaces `path` on success and is removed on error.

    The temporary name belongs to this call: several processes may write `path`, and the last one
    to finish decides its content. Raises UnpromptError where `path` cannot be written; errors of
    the block that are about anything else stay as they are.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error
    temporary = temporary_beside(path)
    try:
        yield temporary
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except OSError as error:
        _remove_quietly(temporary)
        if not _is_about(error, temporary):
            raise
        raise cannot_write(path, error) from error
    except BaseException:
        _remove_quietly(temporary)
        raise
    remove_abandoned(path)


def cannot_write(path: Path, error: OSError) -> UnpromptError:
    """The error for the user where `path` cannot be written."""
    advice = ADVICE.get(_code(error) or 0, "choose another output folder")
    return UnpromptError(
        f"cannot write {path}: {error.strerror or error}; {advice}, then run the same command "
        "again: finished files are kept"
    )


def write_error(error: Exception, temporary: Path) -> OSError:
    """The OSError for what a library raised while it wrote `temporary`."""
    return OSError(_code(error) or errno.EIO, str(error), str(temporary))


def _is_about(error: OSError, temporary: Path) -> bool:
    """Whether an error comes from writing `temporary`, and not from what was read for it."""
    names = (error.filename, error.filename2)
    return _code(error) in DISK or str(temporary) in map(str, names)


def _code(error: Exception) -> int | None:
    """The system's error number; libraries tell it in their messages only."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    if "disk is full" in str(error):  # SQLite's words
        return errno.ENOSPC
    return next((code for code in DISK if os.strerror(code) in str(error)), None)


def _remove_quietly(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON with sorted keys, atomically."""
    with write_atomically(path) as temporary:
        temporary.write_bytes(json_bytes(value))


def json_bytes(value: Any) -> bytes:
    """The bytes that `write_json` writes."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    return text.encode("utf-8")


def read_json(path: Path, most: int = MAX_BYTES) -> Any:
    """Read a JSON file of at most `most` bytes, within the limits of `parse_json`.

    Raises DamagedFileError where it is missing, is no regular file or does not parse.
    """
    try:
        content = read_bounded(path, most)
    except FileNotFoundError as error:
        raise DamagedFileError(f"{path} is missing; the folder is not complete") from error
    except (OSError, ValueError) as error:
        raise DamagedFileError(f"{path} cannot be read: {error}") from error
    return parse_json(content, str(path))


def digest_bytes(content: bytes) -> str:
    """sha256 of `content` in hex."""
    return hashlib.sha256(content).hexdigest()


def digest_file(path: Path) -> str:
    """sha256 of the content of a file in hex."""
    with open_regular(path) as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def digest_json(value: Any) -> str:
    """sha256 of the canonical JSON of `value` in hex: the identity of settings."""
    return digest_bytes(json.dumps(value, sort_keys=True, ensure_ascii=False).encode())


def stable_id(*parts: object) -> int:
    """An unsigned 64-bit id from the text of the parts, the same on every machine."""
    joined = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(joined.encode()).digest()[:8], "big")
