"""Content -> a file that is complete or absent: temporary name, sync, rename; and digests."""

import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unprompt.index.base.errors import DamagedFileError, UnpromptError

TEMPORARY_SUFFIX = ".tmp"


@contextmanager
def write_atomically(path: Path, shared: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it replaces `path` on success and is removed on error.

    `shared` says that several processes, on several machines, can write this file at once.
    Raises UnpromptError where the folder cannot be written or the disk is full.
    """
    own = f".{secrets.token_hex(4)}" if shared else ""
    temporary = path.with_name(path.name + own + TEMPORARY_SUFFIX)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except OSError as error:
        _remove_quietly(temporary)
        raise UnpromptError(
            f"cannot write {path}: {error.strerror or error}; free some space or choose another "
            "output folder, then run the same command again: finished files are kept"
        ) from error
    except BaseException:
        _remove_quietly(temporary)
        raise


def remove_temporaries(*paths: Path) -> None:
    """Remove the temporary files that killed writers of shared files left."""
    for path in paths:
        for left in path.parent.glob(f"{path.name}.*{TEMPORARY_SUFFIX}"):
            _remove_quietly(left)


def _remove_quietly(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return


def write_json(path: Path, value: Any, shared: bool = False) -> None:
    """Write `value` as indented JSON with sorted keys, atomically."""
    with write_atomically(path, shared) as temporary:
        temporary.write_text(
            json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8"
        )


def read_json(path: Path) -> Any:
    """Read a JSON file; raises DamagedFileError where it is missing or does not parse."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DamagedFileError(f"{path} is missing; the folder is not complete") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DamagedFileError(f"{path} is not valid JSON ({error}); make it again") from error


def digest_bytes(content: bytes) -> str:
    """sha256 of `content` in hex."""
    return hashlib.sha256(content).hexdigest()


def digest_file(path: Path) -> str:
    """sha256 of the content of a file in hex."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def digest_json(value: Any) -> str:
    """sha256 of the canonical JSON of `value` in hex: the identity of settings."""
    return digest_bytes(json.dumps(value, sort_keys=True, ensure_ascii=False).encode())


def stable_id(*parts: object) -> int:
    """An unsigned 64-bit id from the text of the parts, the same on every machine."""
    joined = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(joined.encode()).digest()[:8], "big")
