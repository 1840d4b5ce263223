"""Exported towers in the user's cache folder: settings of a tower -> the files of its export.

Only towers whose weights an installed package carries are cached. The name of an entry is a digest
of all that decides its bytes: settings, weights, code, libraries and processor. An entry has a
checksum: a damaged one counts as missing, and the tower is exported again.
"""

import importlib.metadata
import io
import zipfile
from pathlib import Path

from unprompt.index.base.durable import digest_bytes, digest_json, write_atomically
from unprompt.index.base.errors import MissingDependencyError
from unprompt.index.base.settings import write_settings
from unprompt.index.encoders.protocols import EncoderConfig
from unprompt.index.prompt_encoders.minilm import minilm_folder, prompt_space
from unprompt.index.runtime.cache import cached_digest, read_cached, write_cached
from unprompt.index.runtime.compiled import processor
from unprompt.index.towers.offline_towers import OFFLINE_TOWERS, weights_file

PREFIX, MAX_TOWERS = "tower-", 8
LIBRARIES = ("open_clip_torch", "openvino", "timm", "torch", "transformers")
CODE = ("encoders", "exported", "runtime", "towers")  # folders of `index` that decide an export


def cache_name(config: EncoderConfig) -> str | None:
    """The name of a tower's cache entry; None for a tower that is not cached."""
    if config.model not in OFFLINE_TOWERS or config.runtime != "openvino":
        return None
    try:
        weights = [
            cached_digest(weights_file(config.model)),
            prompt_space(str(minilm_folder())),
        ]
        libraries = [importlib.metadata.version(name) for name in LIBRARIES]
    except (MissingDependencyError, importlib.metadata.PackageNotFoundError, OSError):
        return None
    parts = [write_settings(config), weights, libraries, _digest_code(), processor()]
    return PREFIX + digest_json(parts)[:32]


def read_tower(name: str, folder: Path) -> bool:
    """Write the files of a cache entry into `folder`; False where no undamaged entry exists."""
    content = read_cached(name)
    if content is None:
        return False
    with zipfile.ZipFile(io.BytesIO(content.tobytes())) as archive:
        for member in archive.namelist():
            with write_atomically(folder / member) as temporary:
                temporary.write_bytes(archive.read(member))
    return True


def write_tower(name: str, folder: Path, files: list[str]) -> None:
    """Cache `files` of an exported tower; `read_tower` writes them in the same order."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:  # not compressed: weights hardly get smaller
        for file in files:
            archive.write(folder / file, file)
    write_cached(name, buffer.getvalue(), PREFIX, MAX_TOWERS)


def _digest_code() -> str:
    """sha256 of the code that decides an export: a changed exporter invalidates all entries."""
    index = Path(__file__).parents[1]
    paths = sorted(path for folder in CODE for path in (index / folder).rglob("*.py"))
    return digest_bytes(b"".join(path.read_bytes() for path in paths))
