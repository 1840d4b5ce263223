"""Numbered webdataset shards: an images table and its encoded pictures <-> 00000.tar, .parquet.

`00000_stats.json` is written last. It marks the shard as finished and holds the digests of both.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import polars as pl

from unprompt.index.archives.tars import tar_members, write_tar
from unprompt.index.base.durable import (
    digest_file,
    read_json,
    write_atomically,
    write_json,
)
from unprompt.index.base.errors import DamagedFileError
from unprompt.index.base.tables import IMAGES, check_schema, write_table
from unprompt.index.images.img2dataset import from_img2dataset
from unprompt.index.images.shard_names import (
    done_shards,
    is_done,
    parquet_path,
    stats_path,
    tar_path,
)
from unprompt.index.images.shard_pictures import REMEDY
from unprompt.index.images.shard_rows import complete_rows
from unprompt.index.parquet.checked import check_parquet, polars_faults


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


def pending(folder: Path, shards: Iterable[int]) -> list[int]:
    """The shards that are not finished, in the given order."""
    return [shard for shard in shards if not is_done(folder, shard)]


def read_rows(folder: Path) -> pl.DataFrame:
    """The images table of all finished shards, from unprompt or img2dataset: a row per picture."""
    return pl.concat([read_shard_rows(folder, shard) for shard in done_shards(folder)])


def read_shard_rows(folder: Path, shard: int) -> pl.DataFrame:
    """The images table of one finished shard."""
    path = parquet_path(folder, shard)

    def fault(reason: str) -> DamagedFileError:
        return DamagedFileError(f"{path} is not a readable table ({reason}); {REMEDY}")

    try:
        check_parquet(path, most_bytes=None)
    except DamagedFileError as error:
        raise fault(str(error)) from error
    with polars_faults(fault):
        table = pl.read_parquet(path)
    if "image_id" in table.columns:
        return check_schema(table, IMAGES, str(path))
    return from_img2dataset(table, tar_path(folder, shard), shard)


def failed_rows(folder: Path) -> pl.DataFrame:
    """The rows without a picture; `error_message` says why."""
    return read_rows(folder).filter(pl.col("status") != "success")


def verify(folder: Path) -> None:
    """Read every finished shard and compare its digests; raises DamagedFileError with all faults.

    img2dataset records no digests; its tars and tables are only checked to be complete.
    """
    faults = [fault for shard in done_shards(folder) for fault in find_damaged(folder, shard)]
    if faults:
        raise DamagedFileError(f"{'; '.join(faults)}; {REMEDY}")


def has_digests(folder: Path, shard: int) -> bool:
    """Whether the stats file of a finished shard records digests, as `unprompt build` does."""
    try:
        stats = read_json(stats_path(folder, shard))
    except (DamagedFileError, OSError):
        return False
    return isinstance(stats, dict) and isinstance(stats.get("sha256"), dict)


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
