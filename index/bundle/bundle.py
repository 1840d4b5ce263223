"""A folder with everything a query needs -> a sealed bundle, and a bundle -> its manifest.

encoder/   the image tower           index/       the prompt index
head/      the regression head       blend.json   tuned weights      card.md   description
worlds/NAME/   further worlds with the same layout      router.json   the choice between worlds

`bundle.json`, the seal, is written last and records every other file (`index/sealed`). A bundle is
data: nothing in it is the name of code, of a file outside or of a model to fetch.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from unprompt.index.base.durable import digest_bytes, digest_json
from unprompt.index.base.errors import DamagedFileError
from unprompt.index.base.safe.plain_files import check_inside, read_bounded
from unprompt.index.sealed.records import check_files, record_files
from unprompt.index.sealed.seal import SEAL, SEAL_AGAIN, BundleManifest, read_seal, write_seal
from unprompt.index.store.manifest import (
    MANIFEST,
    MAX_MANIFEST,
    IndexManifest,
    read_index_manifest,
    write_manifest,
)

ENCODER, INDEX, HEAD, BLEND, CARD = "encoder", "index", "head", "blend.json", "card.md"
CONFIDENCE, PHRASES = (
    "confidence.json",
    "phrases",
)  # calibration of the expected cosine; phrases of the corpus
PROMPT_ENCODER = "prompt-encoder"  # all-MiniLM-L6-v2, where the bundle carries it
FALLBACK = "fallback"  # answers for pictures unlike the corpus
VALIDATION = "validation.npz"  # what a world said of its pairs without knowing them; not sealed
WORLDS = "worlds"  # the worlds after the first, one folder each
ROUTER, ROUTER_TENSORS = "router.json", "router.safetensors"  # they say which world answers
MEMBERS = "members"  # the other encoders, indexes and heads of an ensemble, one folder each
READ = (  # what a query reads in the folder of a bundle
    ENCODER, INDEX, HEAD, BLEND, CONFIDENCE, PHRASES, PROMPT_ENCODER, FALLBACK, WORLDS, ROUTER,
    ROUTER_TENSORS, MEMBERS,
)  # fmt: skip
REMEDY = (
    "Build it again with `unprompt build CONFIG --stage encoder --stage index --stage fit`, or "
    "fetch the bundle again."
)


def seal_bundle(folder: Path, name: str, space: str, target_space: str) -> BundleManifest:
    """Write bundle.json, with a record of every file and the manifests of the indexes."""
    indexes = sorted(path.parent for path in folder.rglob(MANIFEST))
    for path in _files(folder):
        check_inside(folder / path, folder)
    names = [
        path
        for path in _files(folder)
        if Path(path).name not in (SEAL, VALIDATION) and (folder / path).parent not in indexes
    ]
    manifest = BundleManifest(
        name,
        space,
        target_space,
        record_files(folder, names),
        {place.relative_to(folder).as_posix(): (_digest_manifest(place),) for place in indexes},
    )
    write_seal(folder, manifest)
    return manifest


def seal_again(folder: Path) -> BundleManifest:
    """Seal a bundle as it is now, with the name and spaces of its first encoder and index.

    The files of every index must match its own manifest. Raises DamagedFileError where they do
    not, or where the folder holds no index.
    """
    for path in sorted(folder.rglob(MANIFEST)):
        manifest = read_index_manifest(path.parent)
        check_files(path.parent, manifest.files, REMEDY)
        write_manifest(path.parent, manifest)
    first = read_index_manifest(folder / INDEX)
    name = read_seal(folder).name if _is_sealed(folder) else folder.resolve().name
    return seal_bundle(folder, name, first.space, first.target_space)


def read_bundle(folder: Path, verify: bool = True) -> BundleManifest:
    """The manifest of a bundle, after a look at every file of it.

    `verify` hashes every file, and so every byte that a query can read is what was sealed; without
    it sizes are compared. Raises DamagedFileError naming the file that is missing, that does not
    match its record, that has no record, or that is no regular file in the folder.
    """
    if not (folder / SEAL).is_file():
        inner = folder / "bundle"
        hint = f"; did you mean {inner}?" if (inner / SEAL).is_file() else f". {REMEDY}"
        raise DamagedFileError(f"{folder} is not a finished bundle (no {SEAL}){hint}")
    manifest = read_seal(folder)
    remedy = f"{REMEDY} {SEAL_AGAIN.format(folder=folder)}"
    check_files(folder, manifest.files, remedy, verify)
    _check_listed(folder, manifest)
    for place in manifest.indexes:
        own = _read_sealed_index(folder, place)
        check_files(folder / place, own.files, remedy, verify)
    return manifest


def sealed_files(folder: Path, manifest: BundleManifest) -> Iterator[str]:
    """The path in the folder of every file that the seal covers, but of the seal itself."""
    yield from manifest.files
    for place in manifest.indexes:
        yield f"{place}/{MANIFEST}"
        for name in read_index_manifest(folder / place).files:
            yield f"{place}/{name}"


def digest_bundle(folder: Path) -> str:
    """The identity of all content of a bundle, from its records and those of its indexes."""
    manifest = read_bundle(folder, verify=False)
    indexes = {place: read_index_manifest(folder / place).files for place in manifest.indexes}
    records = {"": manifest.files, **indexes}
    return digest_json(
        {place: {name: one.sha256 for name, one in own.items()} for place, own in records.items()}
    )


def _is_sealed(folder: Path) -> bool:
    try:
        read_seal(folder)
    except Exception:  # noqa: BLE001  whatever it is, it is no seal
        return False
    return True


def _files(folder: Path) -> list[str]:
    """The paths of all files but temporary and hidden ones and locks, sorted.

    Raises DamagedFileError for a link to a folder.
    """
    found = []
    for place, folders, names in os.walk(folder):
        linked = [name for name in folders if Path(place, name).is_symlink()]
        if linked:
            raise DamagedFileError(
                f"{Path(place, linked[0])} is a link to a folder; copy the bundle with its files "
                "(`cp -rL`)"
            )
        folders[:] = [name for name in folders if not name.startswith((".", "__"))]
        for name in names:
            if not name.startswith((".", "__")) and not name.endswith((".tmp", ".lock")):
                found.append(Path(place, name).relative_to(folder).as_posix())
    return sorted(found)


def _check_listed(folder: Path, manifest: BundleManifest) -> None:
    """Refuse files that a query would read and no record covers."""
    for name in _files(folder):
        known = name in manifest.files or Path(name).name == VALIDATION
        recorded = any(name.startswith(f"{place}/") for place in manifest.indexes)
        if name.split("/")[0] in READ and not known and not recorded:
            raise DamagedFileError(
                f"{folder / name} is not recorded in {SEAL}. Remove it, or fetch the bundle "
                f"again. {SEAL_AGAIN.format(folder=folder)}"
            )


def _read_sealed_index(folder: Path, place: str) -> IndexManifest:
    """The manifest of an index as the seal records it.

    A writer replaces the seal before and after the manifest: it is read anew where they differ.
    """
    check_inside(folder / place / MANIFEST, folder)
    for _ in range(2):
        found = _digest_manifest(folder / place)
        if found in read_seal(folder).indexes.get(place, ()):
            return read_index_manifest(folder / place)
    raise DamagedFileError(
        f"{folder / place / MANIFEST} has changed since it was written. {REMEDY} "
        f"{SEAL_AGAIN.format(folder=folder)}"
    )


def _digest_manifest(index: Path) -> str:
    return digest_bytes(read_bounded(index / MANIFEST, MAX_MANIFEST))
