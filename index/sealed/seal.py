"""The seal of a bundle, `bundle.json`: records of all its files under one root digest.

The files of an index are recorded in its own manifest, since an index can change inside its
bundle. The seal records the digest of that manifest. While an index changes, the seal names the
manifests before and after the change, so that a process that is killed leaves a whole bundle.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic.dataclasses import dataclass

from unprompt.index.base.durable import digest_json, read_json, write_json
from unprompt.index.base.errors import ConfigError, DamagedFileError
from unprompt.index.base.safe.plain_files import relative_name
from unprompt.index.base.settings import STRICT, read_settings, write_settings
from unprompt.index.sealed.records import FileRecord

SEAL, FORMAT = "bundle.json", 2
SEAL_AGAIN = "If you changed the bundle yourself, run `unprompt seal {folder}`."
DEPTH = 6  # folders between a bundle and the index of a member of a world


@dataclass(frozen=True, config=STRICT)
class BundleManifest:
    """The files of a bundle and the spaces of its encoders."""

    name: str
    space: str
    target_space: str
    files: dict[str, FileRecord]  # without the files of the indexes
    indexes: dict[str, tuple[str, ...]]  # folder: sha256 of its manifest; of two, as it changes
    format: Literal[2] = 2

    @property
    def root(self) -> str:
        """The digest that covers all records."""
        return digest_json(write_settings(self))


def write_seal(folder: Path, manifest: BundleManifest) -> None:
    """Write the seal, after all other files of the bundle."""
    write_json(folder / SEAL, {**write_settings(manifest), "root": manifest.root})


def read_seal(folder: Path) -> BundleManifest:
    """The seal of a bundle, whose own digest holds.

    Raises DamagedFileError for a seal that is missing, changed or of an earlier version, and for
    names that leave the folder; ConfigError for unknown fields.
    """
    path, again = folder / SEAL, SEAL_AGAIN.format(folder=folder)
    content = read_json(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise DamagedFileError(
            f"{path} is no seal of format {FORMAT}, which covers every file of a bundle. If you "
            f"trust the bundle, run `unprompt seal {folder}`"
        )
    root = content.pop("root", None)
    manifest = read_settings(BundleManifest, content, str(path))
    if root != manifest.root:
        raise DamagedFileError(f"{path} has changed since it was written. {again}")
    for name in (*manifest.files, *manifest.indexes):
        relative_name(name, str(path))
    return manifest


@contextmanager
def index_changes(index: Path, digest: str) -> Iterator[None]:
    """Keep the seal around an index valid while its manifest becomes one with `digest`.

    Does nothing for an index that no seal records.
    """
    found = _enclosing(index)
    if found is None:
        yield
        return
    bundle, place = found
    _record(bundle, place, digest, keep=True)
    yield
    _record(bundle, place, digest, keep=False)


def _enclosing(index: Path) -> tuple[Path, str] | None:
    """The bundle whose seal records an index, and the index' folder in it."""
    resolved = index.resolve()
    for bundle in list(resolved.parents)[:DEPTH]:
        if (bundle / SEAL).is_file():
            place = resolved.relative_to(bundle).as_posix()
            try:
                return (bundle, place) if place in read_seal(bundle).indexes else None
            except (DamagedFileError, ConfigError):  # whoever loads the bundle is told
                return None
    return None


def _record(bundle: Path, place: str, digest: str, keep: bool) -> None:
    manifest = read_seal(bundle)
    earlier = manifest.indexes[place] if keep else ()
    digests = tuple(dict.fromkeys((*earlier[-1:], digest)))
    write_seal(bundle, replace(manifest, indexes={**manifest.indexes, place: digests}))
