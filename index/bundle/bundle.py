"""A folder with everything a query needs -> a sealed bundle, and a bundle -> its manifest.

encoder/   the image tower           index/       the prompt index
head/      the regression head       blend.json   tuned weights      card.md   description
worlds/NAME/   further worlds with the same layout      router.json   the choice between worlds

`bundle.json` is written last and records every other file. It leaves out the files of the indexes:
an index can change inside its bundle, and its own manifest records its files.
"""

import math
from pathlib import Path
from typing import Literal

from pydantic.dataclasses import dataclass

from unprompt.index.base.durable import digest_json, read_json, write_json
from unprompt.index.base.errors import DamagedFileError
from unprompt.index.base.settings import STRICT, read_settings, write_settings
from unprompt.index.store.manifest import (
    MANIFEST,
    FileRecord,
    check_files,
    read_index_manifest,
    record_files,
)

SEAL = "bundle.json"
ENCODER, INDEX, HEAD, BLEND, CARD = "encoder", "index", "head", "blend.json", "card.md"
CONFIDENCE, PHRASES = (
    "confidence.json",
    "phrases",
)  # calibration of the expected cosine; phrases of the corpus
PROMPT_ENCODER = "prompt-encoder"  # all-MiniLM-L6-v2, where the bundle carries it
FALLBACK = "fallback"  # answers for pictures unlike the corpus
VALIDATION = "validation.npz"  # what a world said of its pairs without knowing them; not sealed
WORLDS = "worlds"  # the worlds after the first, one folder each
ROUTER = "router.json"  # says which world answers
MEMBERS = "members"  # the other encoders, indexes and heads of an ensemble, one folder each
REMEDY = (
    "Build it again with `unprompt build CONFIG --stage encoder --stage index --stage fit`, or "
    "fetch the bundle again."
)


@dataclass(frozen=True, config=STRICT)
class BundleManifest:
    """The files of a bundle and the spaces of its encoders."""

    name: str
    space: str
    target_space: str
    files: dict[str, FileRecord]  # without the files of the indexes
    indexes: tuple[str, ...] = ()  # folders
    format: Literal[1] = 1


def seal_bundle(folder: Path, name: str, space: str, target_space: str) -> BundleManifest:
    """Write bundle.json, with a record of every file and the folders of the indexes."""
    indexes = sorted(path.parent for path in folder.rglob(MANIFEST))
    names = [
        path.relative_to(folder).as_posix()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in (SEAL, VALIDATION)
        if path.suffix not in (".tmp", ".lock")
        if path.parent not in indexes
    ]
    manifest = BundleManifest(
        name,
        space,
        target_space,
        record_files(folder, names),
        tuple(place.relative_to(folder).as_posix() for place in indexes),
    )
    write_json(folder / SEAL, write_settings(manifest))
    return manifest


def read_bundle(folder: Path, verify: bool = False) -> BundleManifest:
    """The manifest of a bundle; `verify` also hashes every file.

    Raises DamagedFileError where a file is missing or does not match its record.
    """
    if not (folder / SEAL).is_file():
        inner = folder / "bundle"
        hint = f"; did you mean {inner}?" if (inner / SEAL).is_file() else f". {REMEDY}"
        raise DamagedFileError(f"{folder} is not a finished bundle (no {SEAL}){hint}")
    manifest = read_settings(BundleManifest, read_json(folder / SEAL), str(folder / SEAL))
    check_files(folder, manifest.files, REMEDY, math.inf if verify else 0)
    for place in manifest.indexes:
        files = read_index_manifest(folder / place).files
        if verify:
            check_files(folder / place, files, REMEDY)
    return manifest


def digest_bundle(folder: Path) -> str:
    """The identity of all content of a bundle, from its records and those of its indexes."""
    manifest = read_bundle(folder)
    indexes = {place: read_index_manifest(folder / place).files for place in manifest.indexes}
    records = {"": manifest.files, **indexes}
    return digest_json(
        {place: {name: one.sha256 for name, one in own.items()} for place, own in records.items()}
    )
