"""The last file written of an index: what is in its folder, and how to know it is whole."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic.dataclasses import dataclass

from unprompt.index.durable import digest_file, read_json, write_json
from unprompt.index.errors import DamagedFileError
from unprompt.index.settings import STRICT, read_settings, write_settings

MANIFEST = "manifest.json"
FORMAT = 1


@dataclass(frozen=True, config=STRICT)
class FileRecord:
    """Size and content of one file at the time it was written."""

    size_bytes: int
    sha256: str


@dataclass(frozen=True, config=STRICT)
class Recall:
    """Share of the exact k nearest keys that the index returns, on held-out queries."""

    k: int
    value: float
    queries: int


@dataclass(frozen=True, config=STRICT)
class IndexManifest:
    """Everything a reader must know before it trusts the other files of an index."""

    factory: str
    keys: str  # image | text
    space: str  # of the encoder that made the keys
    target_space: str  # of the prompt encoder that made the targets
    dim: int  # d_image
    target_dim: int  # d_prompt
    ntotal: int  # rows
    prompts: int  # distinct prompts among them
    recall: Recall | None
    files: dict[str, FileRecord]
    metric: str = "cosine"
    format: int = FORMAT


def record_files(folder: Path, names: Iterable[str]) -> dict[str, FileRecord]:
    """Sizes and digests of `names` below `folder`."""
    return {
        name: FileRecord((folder / name).stat().st_size, digest_file(folder / name))
        for name in sorted(names)
    }


def check_files(folder: Path, files: dict[str, FileRecord], digests: bool, remedy: str) -> None:
    """Raise DamagedFileError naming the first file missing, cut or (if `digests`) changed."""
    for name, record in files.items():
        path = folder / name
        if not path.is_file():
            raise DamagedFileError(f"{path} is missing. {remedy}")
        size = path.stat().st_size
        if size != record.size_bytes:
            raise DamagedFileError(
                f"{path} has {size} bytes, {record.size_bytes} were written. {remedy}"
            )
        if digests and digest_file(path) != record.sha256:
            raise DamagedFileError(f"{path} has changed since it was written. {remedy}")


def write_manifest(folder: Path, manifest: Any) -> None:
    """Write the manifest of a folder, after all its other files."""
    write_json(folder / MANIFEST, write_settings(manifest))


def read_index_manifest(folder: Path) -> IndexManifest:
    """The manifest of an index; raises DamagedFileError where there is none or a newer one."""
    path = folder / MANIFEST
    if not path.is_file():
        raise DamagedFileError(
            f"{folder} holds no finished index (no {MANIFEST}); run `unprompt build` to make one"
        )
    content = read_json(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise DamagedFileError(
            f"{path} is not an index manifest of format {FORMAT}; rebuild the index with this "
            "version"
        )
    return read_settings(IndexManifest, content, str(path))
