"""Folders of numbered shards: (shard, key) -> the encoded picture, in order or by key."""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from unprompt.index.archives.tars import TarMember, read_member, tar_members
from unprompt.index.base.errors import CorpusError, DamagedFileError
from unprompt.index.images.pictures import PICTURE_SUFFIXES
from unprompt.index.images.shard_keys import OF, full_key
from unprompt.index.images.shard_names import shard_stems, tar_path

CACHED_TABLES = 32
REMEDY = (
    "`unprompt build CONFIG --stage images` finds and renders it again; for a shard of "
    "img2dataset, delete its files and run img2dataset again"
)


def iterate_images(folder: Path, shard: int) -> Iterator[tuple[str, bytes]]:
    """(key, encoded picture) of a shard, in order.

    A further picture of one key has the name of its file as key. For a truncated tar, yields the
    complete pictures and then raises DamagedFileError.
    """
    path = tar_path(folder, shard)
    for key, member in picture_members(path):
        yield key, read_member(path, member)


def picture_members(path: Path) -> Iterator[tuple[str, TarMember]]:
    """(key, member) of the pictures in a tar, in order; all keys differ."""
    seen: dict[str, int] = {}
    try:
        for member in tar_members(path):
            name = member.name.rpartition("/")[2]
            stem, _, extension = name.partition(".")
            if f".{extension.lower()}" not in PICTURE_SUFFIXES or member.fault is not None:
                continue
            key = full_key(path.stem, stem)
            if key in seen:
                key = full_key(path.stem, name)
            seen[key] = seen.get(key, 0) + 1
            yield key if seen[key] == 1 else f"{key}#{seen[key]}", member
    except DamagedFileError as error:
        raise DamagedFileError(f"{error}; {REMEDY}") from error


class _Table(NamedTuple):
    """The pictures of a shard, sorted by key."""

    keys: np.ndarray  # (n,) bytes
    places: np.ndarray  # (n, 2) int64: offset, size


class ImageShards:
    """Random access to the pictures of a folder of shards, by key. Any thread may use it.

    A tar is scanned once, at its first use; the tables of the last 32 tars are kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stems: dict[str, int] = {}  # number by name of the shard
        self._tables: OrderedDict[int, _Table] = OrderedDict()
        self._lock = threading.Lock()

    def image(self, key: str) -> bytes:
        """The encoded picture of `key`; raises CorpusError if there is none."""
        shards = self._shards_of(key)
        if not shards:
            raise CorpusError(f"{self.folder} has no shard for the picture {key!r}")
        for shard in shards:
            path = tar_path(self.folder, shard)
            with self._lock:
                table = self._table(shard, path)
            row = int(np.searchsorted(table.keys, key.encode()))
            if row < len(table.keys) and table.keys[row] == key.encode():
                offset, size = table.places[row].tolist()
                return read_member(path, TarMember(key, offset, size))
        raise CorpusError(f"{tar_path(self.folder, shards[0])} has no picture {key}")

    def shard_of(self, key: str) -> int | None:
        """The number of the shard that a key names; None if the folder has none of them."""
        return next(iter(self._shards_of(key)), None)

    def _shards_of(self, key: str) -> list[int]:
        """The finished shards whose name is that of the key, or its beginning; longest first."""
        stem, separator, _ = key.partition(OF)
        heads = [stem] if separator else [key[:width] for width in range(len(key), 0, -1)]
        found = [self._stems[head] for head in heads if head in self._stems]
        if not found:  # shards that came later
            self._stems = shard_stems(self.folder)
            found = [self._stems[head] for head in heads if head in self._stems]
        return found

    def _table(self, shard: int, path: Path) -> _Table:
        if shard not in self._tables:
            if len(self._tables) >= CACHED_TABLES:
                self._tables.popitem(last=False)
            found = sorted((k.encode(), m.offset, m.size) for k, m in picture_members(path))
            keys = np.array([key for key, _, _ in found], dtype=np.bytes_)
            places = np.array([place for _, *place in found], np.int64).reshape(-1, 2)
            self._tables[shard] = _Table(keys, places)
        self._tables.move_to_end(shard)
        return self._tables[shard]
