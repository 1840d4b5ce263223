"""Collections of pictures with prompts -> RUN/images, copied shard by shard.

The bytes of jpg, png and webp files stay the same; other formats become png. A row whose picture is
missing or unreadable gets the status `failed`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import polars as pl

from unprompt.build.corpus.sources.collection import CollectionConfig
from unprompt.build.corpus.sources.filters import keep_rows
from unprompt.build.corpus.sources.kinds import find_kind
from unprompt.build.corpus.sources.pairs import PAIRS, Fetch, PairReader
from unprompt.build.pictures.render import Rendered
from unprompt.index.base.durable import stable_id
from unprompt.index.base.errors import ConfigError, CorpusError, UnpromptError
from unprompt.index.base.machine import own_cores
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.base.tables import IMAGES
from unprompt.index.engines.engine import LOCAL, Demand, EngineConfig, map_shards
from unprompt.index.formats.tally import Tally
from unprompt.index.images.picture_splits import one_split_each
from unprompt.index.images.pictures import FULL_SIZE, encode_picture, open_picture, to_array
from unprompt.index.images.shard_names import is_done
from unprompt.index.images.shards import failed_rows, pending, write_shard

AHEAD = 64  # shards planned before they are written
MARKS = {b"\xff\xd8\xff": "jpg", b"\x89PNG\r\n\x1a\n": "png"}
CONVERTED: Final = "png"
# PAIRS rows of kept prompts, with where they are
PLANNED = pl.Schema(
    {
        **dict(PAIRS),
        "prompt_id": pl.UInt64(),
        "split": pl.String(),
        "collection": pl.UInt32(),  # its number in the settings
        "unit": pl.String(),
    }
)


class CopyJob(NamedTuple):
    """Everything a worker needs to write one shard."""

    folder: Path
    shard: int
    rows: pl.DataFrame  # PLANNED
    collections: tuple[CollectionConfig, ...]


class Copied(NamedTuple):
    """A picture as it is stored, or the reason why it is not."""

    content: bytes | None
    extension: str = CONVERTED
    size: tuple[int | None, int | None] = (None, None)
    error: str | None = None


class CopyPlan(NamedTuple):
    """The collections to copy, the prompts to keep, and the number of pictures per shard."""

    prompts: pl.DataFrame  # PROMPTS
    collections: tuple[CollectionConfig, ...]
    per_shard: int
    excluded: bool = False  # copy the pictures of excluded prompts too


@dataclass(frozen=True)
class CopyWork:
    """Copies shards in any worker process."""

    def load(self, threads: int | None) -> Callable[[CopyJob], None]:
        """The function that copies one shard."""
        return copy_shard


def copy_pairs(
    folder: Path,
    plan: CopyPlan,
    retry_failed: bool = False,
    progress: Progress = SILENT,
    engine: EngineConfig = LOCAL,
) -> Rendered:
    """Copy the missing shards of this process' share.

    Pictures of prompts that the corpus dropped are not copied, and of those that it excluded only
    if the plan says so. `retry_failed` also
    writes finished shards with failed rows again. Raises CorpusError where no picture is left.
    """
    retried: set[int] = set()
    if retry_failed and is_done(folder, 0):
        retried = set(failed_rows(folder)["shard"].to_list())
    jobs: dict[int, CopyJob] = {}
    shard = -1
    for shard, rows in enumerate(plan_shards(plan, progress)):
        if engine.own([shard]) and (shard in retried or not is_done(folder, shard)):
            jobs[shard] = CopyJob(folder, shard, rows, plan.collections)
        if len(jobs) == AHEAD:
            _run(jobs, engine)
            jobs = {}
    _run(jobs, engine)
    if shard < 0:
        raise CorpusError("no picture of the collections belongs to a prompt that the corpus kept")
    left = len(pending(folder, range(shard + 1)))
    return Rendered(0 if left else failed_rows(folder).height, left)


def _run(jobs: Mapping[int, CopyJob], engine: EngineConfig) -> None:
    for _ in map_shards(CopyWork(), jobs, engine, Demand(own_cores())):
        pass


def plan_shards(plan: CopyPlan, progress: Progress = SILENT) -> Iterator[pl.DataFrame]:
    """The PLANNED rows of shards 0, 1, ...; equal collections give equal shards."""
    kept = plan.prompts.filter(pl.lit(plan.excluded) | (pl.col("split") != "excluded"))
    kept = kept.select("prompt_id", "prompt", "split")
    units = [
        (number, config, unit)
        for number, config in enumerate(plan.collections)
        for unit in picture_units(config)
    ]
    waiting = pl.DataFrame(schema=PLANNED)
    for number, config, unit in progress.track(units, "copy pictures", len(units)):
        for batch in _reader(config).rows(unit, config, Tally()):
            rows = _join(keep_rows(batch, config, Tally()), kept).with_columns(
                pl.lit(number, pl.UInt32).alias("collection"), pl.lit(str(unit)).alias("unit")
            )
            waiting = pl.concat([waiting, _one_split(rows).select(list(PLANNED))])
            while waiting.height >= plan.per_shard:
                yield waiting[: plan.per_shard]
                waiting = waiting[plan.per_shard :]
    if waiting.height:
        yield waiting


def picture_units(config: CollectionConfig) -> list[Path]:
    """The files or folders of a collection with pictures; raises CorpusError without any."""
    kind, reader = find_kind(config.kind), _reader(config)
    found = kind.units(config) if reader.find is None else reader.find(Path(config.path or ""))
    if not found:
        raise CorpusError(f"{config.place} holds no pictures; the kind {kind.name}: {kind.files}")
    return found


def _one_split(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows without the prompts that a held-out prompt of the same picture excludes."""
    place = pl.struct("picture", "offset").alias("place")
    claimed = one_split_each(rows.with_columns(place, pl.col("split").alias("own")), "place")
    return claimed.filter(pl.col("split") == pl.col("own"))


def _reader(config: CollectionConfig) -> PairReader:
    kind = find_kind(config.kind)
    if kind.pairs is None:
        raise ConfigError(f"the kind {kind.name} has no pictures")
    return kind.pairs


def _join(rows: pl.DataFrame, kept: pl.DataFrame) -> pl.DataFrame:
    """The rows whose prompt is in the corpus, with its id and split."""
    ids = pl.Series("prompt_id", [stable_id(prompt) for prompt in rows["prompt"]], pl.UInt64)
    return (
        rows.drop("prompt")
        .with_columns(ids)
        .join(kept, on="prompt_id", how="inner", maintain_order="left")
    )


def copy_shard(job: CopyJob) -> None:
    """Read, check and write one shard."""
    copied: list[Copied] = []
    for rows in job.rows.partition_by("collection", "unit", maintain_order=True):
        copied += _copy_unit(rows, job.collections[rows["collection"][0]])
    table = _images_table(job, copied)
    contents, extensions = [one.content for one in copied], [one.extension for one in copied]
    write_shard(job.folder, job.shard, table, contents, extensions)


def _copy_unit(rows: pl.DataFrame, config: CollectionConfig) -> list[Copied]:
    try:
        with _reader(config).open(Path(rows["unit"][0]), config) as fetch:
            return [_copy_one(row, fetch) for row in rows.iter_rows(named=True)]
    except (UnpromptError, OSError) as error:  # from the unit; single pictures raise nothing
        return [Copied(None, error=str(error))] * rows.height


def _copy_one(row: Mapping[str, Any], fetch: Fetch) -> Copied:
    if row["fault"] is not None:
        return Copied(None, error=f"{row['fault']}: {row['picture']}")
    try:
        content = fetch(row)
        picture = open_picture(content, row["picture"], FULL_SIZE)
        extension = _extension(content)
        if extension is None:
            content, extension = encode_picture(to_array(picture), CONVERTED), CONVERTED
        return Copied(content, extension, picture.size)
    except UnpromptError as error:
        return Copied(None, error=str(error))


def _extension(content: bytes) -> str | None:
    """The format of a picture whose bytes can be stored; None for other formats."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "webp"
    return next((name for mark, name in MARKS.items() if content.startswith(mark)), None)


def _images_table(job: CopyJob, copied: Sequence[Copied]) -> pl.DataFrame:
    errors = pl.Series("error_message", [one.error for one in copied], pl.String)
    failed = errors.is_not_null()
    return job.rows.with_columns(
        pl.lit(None, pl.String).alias("key"),
        pl.Series(
            "image_id", [_image_id(job, row) for row in job.rows.iter_rows(named=True)], pl.UInt64
        ),
        pl.lit(job.shard, pl.UInt32).alias("shard"),
        pl.lit(None, pl.String).alias("sha256"),
        pl.Series("width", [one.size[0] for one in copied], pl.UInt32),
        pl.Series("height", [one.size[1] for one in copied], pl.UInt32),
        pl.Series("status", ["failed" if bad else "success" for bad in failed], pl.String),
        errors,
    ).select(list(IMAGES))


def _image_id(job: CopyJob, row: Mapping[str, Any]) -> int:
    """A digest of the prompt and the place within the collection, wherever that lies."""
    config = job.collections[row["collection"]]
    unit, root = Path(row["unit"]), Path(config.path or "")
    place = unit.relative_to(root) if unit.is_relative_to(root) else Path(unit.name)
    return stable_id(
        row["prompt_id"], row["seed"], row["generator"], config.source, place, row["picture"],
        row["offset"],
    )  # fmt: skip
