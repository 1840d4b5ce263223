"""Numbered webdataset shards: an images table and its encoded pictures <-> 00000.tar, .parquet.

`00000_stats.json` is written last. It marks the shard as finished and holds the digests of both.
"""

import json
import re
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from unprompt.index.base.durable import (
    digest_file,
    read_json,
    write_atomically,
    write_json,
)
from unprompt.index.base.errors import CorpusError, DamagedFileError
from unprompt.index.base.tables import IMAGES, check_schema, write_table
from unprompt.index.images.img2dataset import from_img2dataset
from unprompt.index.images.pictures import PICTURE_SUFFIXES
from unprompt.index.images.shard_rows import complete_rows
from unprompt.index.images.tars import TarMember, read_member, tar_members, write_tar

STATS_NAME = re.compile(r"(\d{5})_stats\.json")
CACHED_TABLES = 32
REMEDY = (
    "`unprompt build CONFIG --stage images` finds and renders it again; for a shard of "
    "img2dataset, delete its files and run img2dataset again"
)


def tar_path(folder: Path, shard: int) -> Path:
    """The tar with the shard's pictures."""
    return folder / f"{shard:05d}.tar"


def parquet_path(folder: Path, shard: int) -> Path:
    """The parquet file with the shard's images table."""
    return folder / f"{shard:05d}.parquet"


def stats_path(folder: Path, shard: int) -> Path:
    """The JSON file that marks the shard as finished."""
    return folder / f"{shard:05d}_stats.json"


def write_shard(
    folder: Path,
    shard: int,
    rows: pl.DataFrame,
    encoded: Sequence[bytes | None],
    extension: str | Sequence[str],
) -> None:
    """Write one shard; the same rows give the same bytes. A failed row has None in `encoded`.

    `extension` is one format for all pictures, or one for each. Fills `key`, `shard` and `sha256`.
    Raises CorpusError if rows and pictures disagree.
    """
    extensions = [extension] * rows.height if isinstance(extension, str) else list(extension)
    table = complete_rows(shard, rows, encoded, extensions)
    tar, parquet = tar_path(folder, shard), parquet_path(folder, shard)
    with write_atomically(tar) as temporary:
        stats_path(folder, shard).unlink(missing_ok=True)
        write_tar(temporary, _samples(table, encoded, extensions))
    write_table(parquet, table, IMAGES)
    successes = sum(content is not None for content in encoded)
    failures = table.filter(pl.col("status") == "failed")["error_message"].fill_null("failed")
    stats = {
        "count": table.height,
        "successes": successes,
        "failed": table.height - successes,
        "status_dict": {"success": successes, **Counter(failures)},
        "sha256": {"tar": digest_file(tar), "parquet": digest_file(parquet)},
    }
    write_json(stats_path(folder, shard), stats)


def _samples(
    table: pl.DataFrame, encoded: Sequence[bytes | None], extensions: Sequence[str]
) -> Iterator[tuple[str, bytes]]:
    """(name, content) of the picture, the prompt and the row, for each row with a picture."""
    rows = table.iter_rows(named=True)
    for row, content, extension in zip(rows, encoded, extensions, strict=True):
        if content is not None:
            yield f"{row['key']}.{extension}", content
            yield f"{row['key']}.txt", row["prompt"].encode()
            yield f"{row['key']}.json", json.dumps(row, sort_keys=True, ensure_ascii=False).encode()


def is_done(folder: Path, shard: int) -> bool:
    """Whether the shard is finished: its stats file, tar and parquet file exist."""
    paths = (stats_path(folder, shard), tar_path(folder, shard), parquet_path(folder, shard))
    return all(path.is_file() for path in paths)


def pending(folder: Path, shards: Iterable[int]) -> list[int]:
    """The shards that are not finished, in the given order."""
    return [shard for shard in shards if not is_done(folder, shard)]


def done_shards(folder: Path) -> list[int]:
    """The numbers of all finished shards, ascending; raises CorpusError if there is none."""
    paths = folder.iterdir() if folder.is_dir() else ()
    matches = (STATS_NAME.fullmatch(path.name) for path in paths)
    shards = sorted(int(match[1]) for match in matches if match)
    done = [shard for shard in shards if is_done(folder, shard)]
    if not done:
        raise CorpusError(
            f"no finished shard in {folder}; wanted 00000.tar, 00000.parquet and 00000_stats.json, "
            "as `unprompt build` and img2dataset write them"
        )
    return done


def read_rows(folder: Path) -> pl.DataFrame:
    """The images table of all finished shards, from unprompt or img2dataset: a row per picture."""
    return pl.concat([read_shard_rows(folder, shard) for shard in done_shards(folder)])


def read_shard_rows(folder: Path, shard: int) -> pl.DataFrame:
    """The images table of one finished shard."""
    path = parquet_path(folder, shard)
    try:
        table = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DamagedFileError(f"{path} is not a readable table ({error}); {REMEDY}") from error
    if "image_id" in table.columns:
        return check_schema(table, IMAGES, str(path))
    return from_img2dataset(table, tar_path(folder, shard), shard)


def failed_rows(folder: Path) -> pl.DataFrame:
    """The rows without a picture; `error_message` says why."""
    return read_rows(folder).filter(pl.col("status") != "success")


def iterate_images(folder: Path, shard: int) -> Iterator[tuple[str, bytes]]:
    """(key, encoded picture) of a shard, in order.

    For a truncated tar, yields the complete pictures and then raises DamagedFileError.
    """
    path = tar_path(folder, shard)
    for key, member in _image_members(path):
        yield key, read_member(path, member)


def _image_members(path: Path) -> Iterator[tuple[str, TarMember]]:
    try:
        for member in tar_members(path):
            key, _, extension = Path(member.name).name.partition(".")
            if f".{extension.lower()}" in PICTURE_SUFFIXES:
                yield key, member
    except DamagedFileError as error:
        raise DamagedFileError(f"{error}; {REMEDY}") from error


class ImageShards:
    """Random access to the pictures of a folder of shards, by key. Any thread may use it.

    A tar is scanned once, at its first use; the tables of the last 32 tars are kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # By shard: sorted keys, offsets and sizes, 24 bytes per picture.
        self._tables: OrderedDict[int, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def image(self, key: str) -> bytes:
        """The encoded picture of `key`; raises CorpusError if there is none."""
        if not re.fullmatch(r"[0-9]{9}", key):
            raise CorpusError(f"an image key has 9 digits, got {key!r}")
        shard = int(key[:5])
        path = tar_path(self.folder, shard)
        with self._lock:
            table = self._table(shard, path)
        row = int(np.searchsorted(table[0], int(key)))
        if row == table.shape[1] or table[0, row] != int(key):
            raise CorpusError(f"{path} has no picture {key}")
        return read_member(path, TarMember(key, int(table[1, row]), int(table[2, row])))

    def _table(self, shard: int, path: Path) -> np.ndarray:
        """(3, n) int64: keys, offsets, sizes."""
        if shard not in self._tables:
            if len(self._tables) >= CACHED_TABLES:
                self._tables.popitem(last=False)
            found = [(int(k), m.offset, m.size) for k, m in _image_members(path) if k.isdecimal()]
            self._tables[shard] = np.array(sorted(found), np.int64).reshape(-1, 3).T.copy()
        self._tables.move_to_end(shard)
        return self._tables[shard]


def verify(folder: Path) -> None:
    """Read every finished shard and compare its digests; raises DamagedFileError with all faults.

    img2dataset records no digests; its tars and tables are only checked to be complete.
    """
    faults = [fault for shard in done_shards(folder) for fault in find_damaged(folder, shard)]
    if faults:
        raise DamagedFileError(f"{'; '.join(faults)}; {REMEDY}")


def table_is_intact(folder: Path, shard: int) -> bool:
    """Whether the images table of a finished shard still has the recorded digest."""
    try:
        stats = read_json(stats_path(folder, shard))
        return bool(stats["sha256"]["parquet"] == digest_file(parquet_path(folder, shard)))
    except (DamagedFileError, OSError, KeyError, TypeError):
        return False


def find_damaged(folder: Path, shard: int) -> list[str]:
    """A message per file of a finished shard that is damaged; empty if all are intact."""
    try:
        stats = read_json(stats_path(folder, shard))
        digests = stats.get("sha256") if isinstance(stats, dict) else None
        if isinstance(digests, dict):
            paths = {"tar": tar_path(folder, shard), "parquet": parquet_path(folder, shard)}
            return [
                f"{path} does not match the digest written beside it"
                for name, path in paths.items()
                if digest_file(path) != digests.get(name)
            ]
        read_shard_rows(folder, shard)
        for _ in tar_members(tar_path(folder, shard)):
            pass
    except DamagedFileError as error:
        return [str(error)]
    return []
