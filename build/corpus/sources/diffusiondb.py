"""DiffusionDB: metadata tables or parts -> batches of prompts; parts also -> PAIRS and pictures.

Of the 13 columns of `metadata.parquet` and `metadata-large.parquet`, `prompt`, `image_nsfw` and
`prompt_nsfw` are read; `user_name` and `timestamp` are never read. A score of 2.0 marks a blurred
picture.

`part-000001/part-000001.json`, or the same file at the top of `part-000001.zip`, maps the name of
each picture beside it to `p` (prompt), `se` (seed), `c` (guidance), `st` (steps), `sa` (sampler).
"""

import json
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from unprompt.build.corpus.sources.collection import CollectionConfig
from unprompt.build.corpus.sources.filters import wanted_scores
from unprompt.build.corpus.sources.kind import Kind
from unprompt.build.corpus.sources.pairs import (
    Fetch,
    PairReader,
    pairs_frame,
    read_picture_file,
    too_large,
)
from unprompt.build.corpus.sources.scored import ScoredTable
from unprompt.index.base.errors import CorpusError, UnreadableImageError
from unprompt.index.formats.parquet import readable_parquet
from unprompt.index.formats.tally import Tally
from unprompt.index.images.pictures import DEFAULT_LIMITS, PICTURE_SUFFIXES

ZIP, METADATA = ".zip", ("metadata.parquet", "metadata-large.parquet")
GENERATOR = "stable diffusion (DiffusionDB)"
BLURRED = 2.0
DAMAGED, UNLISTED, NO_FILE = "damaged part", "picture without a row", "the picture is missing"

TABLE = ScoredTable(
    prompt=("prompt",),
    scores={"prompt_nsfw": ("prompt_nsfw",), "image_nsfw": ("image_nsfw",)},
)


def read_diffusiondb(path: Path, config: CollectionConfig, tally: Tally) -> Iterator[pl.DataFrame]:
    """Yield the prompts of a table or of a part."""
    if path.suffix.lower() == ".parquet":
        return TABLE.read(path, config, tally)
    return read_part(path, config, tally)


def read_part(unit: Path, config: CollectionConfig, tally: Tally) -> Iterator[pl.DataFrame]:
    """Yield the prompts of a part, with the scores that the settings filter by."""
    scores = wanted_scores(config)
    for frame in _list_rows(unit, tally):
        yield _with_scores(frame, unit, config, scores) if scores else frame


def list_part(unit: Path, config: CollectionConfig, tally: Tally) -> Iterator[pl.DataFrame]:
    """Yield the pairs of a part without the pictures that the metadata marks as blurred."""
    scores = wanted_scores(config)
    if find_metadata(unit, config) is None and not scores:
        yield from _list_rows(unit, tally)
        return
    for frame in _list_rows(unit, tally):
        scored = _with_scores(frame, unit, config, list({*scores, "image_nsfw"}))
        sharp = scored.filter(pl.col("image_nsfw").fill_null(0.0) < BLURRED)
        tally.drop("blurred", scored.height - sharp.height)
        yield sharp


@contextmanager
def open_part(unit: Path, config: CollectionConfig) -> Iterator[Fetch]:
    """Open a part to fetch its pictures by name."""
    if unit.suffix.lower() != ZIP:
        yield lambda row: read_picture_file(unit.parent / row["picture"])
        return
    try:
        archive = zipfile.ZipFile(unit)
    except zipfile.BadZipFile as error:
        raise UnreadableImageError(f"{unit} is not a complete zip file ({error})") from error
    with archive:
        entries = {entry.filename.rsplit("/", 1)[-1]: entry for entry in archive.infolist()}
        yield lambda row: _read_zipped(archive, row["picture"], entries.get(row["picture"]))


def find_parts(path: Path) -> list[Path]:
    """The json file or else the zip of each part below a folder, in order."""
    if path.is_file():
        return [path]
    zips = {(file.parent, file.stem): file for file in path.rglob("part-*.zip")}
    unpacked = {(file.parent.parent, _part(file)): file for file in path.rglob("part-*.json")}
    return [file for _, file in sorted((zips | unpacked).items()) if file.is_file()]


def find_metadata(unit: Path, config: CollectionConfig) -> Path | None:
    """The table with the scores: the setting `metadata`, or one in a folder above the part."""
    if config.metadata is not None:
        return Path(config.metadata)
    folders = list(unit.resolve().parents)[:4]
    names = METADATA[::-1] if any("large" in folder.name for folder in folders) else METADATA
    around = [folder / name for folder in folders for name in names]
    return next((path for path in around if path.is_file()), None)


def _part(unit: Path) -> str:
    """`part-000001`: the name of the folder or zip; a json file may be named differently."""
    folder = unit.parent.name
    is_inside = unit.suffix.lower() != ZIP and folder.startswith("part-")
    return folder if is_inside else unit.stem


def _list_rows(unit: Path, tally: Tally) -> Iterator[pl.DataFrame]:
    try:
        described, pictures = _open(unit)
    except (ValueError, OSError, zipfile.BadZipFile, RecursionError) as error:
        tally.read += 1
        tally.fault(f"{unit} is not a complete part ({error}); fetch it again", DAMAGED)
        return
    rows = []
    for name, entry in described.items():
        tally.read += 1
        if not isinstance(entry, dict) or not isinstance(entry.get("p"), str):
            tally.fault(f"{unit}: {name} has no text `p`")
            continue
        fault = None if name in pictures else NO_FILE
        rows.append((entry["p"], name, _seed(entry), _settings(entry), fault))
    unlisted = sorted(pictures - set(described))
    tally.read += len(unlisted)
    for name in unlisted:
        tally.fault(f"{unit}: {name} is in no row", UNLISTED)
    columns = ("prompt", "picture", "seed", "settings", "fault")
    frame = pl.DataFrame(
        rows, schema=dict.fromkeys(columns, pl.String) | {"seed": pl.UInt64}, orient="row"
    )
    yield pairs_frame(frame.with_columns(pl.lit(GENERATOR).alias("generator")))


def _open(unit: Path) -> tuple[dict[str, Any], set[str]]:
    """The content of the part's json, and the names of its pictures."""
    if unit.suffix.lower() == ZIP:
        with zipfile.ZipFile(unit) as archive:
            inside = archive.namelist()
            listing = next((name for name in inside if name.endswith(".json")), None)
            if listing is None:
                raise ValueError("it holds no json file")
            if archive.getinfo(listing).file_size > DEFAULT_LIMITS.max_bytes:
                raise ValueError(f"its {listing} is larger than a picture may be")
            described = json.loads(archive.read(listing))
    else:
        inside = os.listdir(unit.parent)
        described = json.loads(unit.read_text(encoding="utf-8"))
    if not isinstance(described, dict):
        raise ValueError("its json is not an object")
    names = {name.rsplit("/", 1)[-1] for name in inside}
    return described, {name for name in names if name.lower().endswith(PICTURE_SUFFIXES)}


def _seed(entry: Mapping[str, Any]) -> int:
    seed = entry.get("se")
    return seed if isinstance(seed, int) and 0 <= seed < 2**64 else 0


def _settings(entry: Mapping[str, Any]) -> str:
    names = {"c": "cfg", "st": "steps", "sa": "sampler"}
    return json.dumps(
        {new: entry[old] for old, new in names.items() if old in entry}, sort_keys=True
    )


def _with_scores(
    frame: pl.DataFrame, unit: Path, config: CollectionConfig, scores: list[str]
) -> pl.DataFrame:
    path = find_metadata(unit, config)
    if path is None or not path.is_file():
        raise CorpusError(
            f"the parts of DiffusionDB hold no {', '.join(scores)}; put {METADATA[0]} into the "
            "folder above them, or name it with the setting `metadata`"
        )
    wanted = pl.col("image_name").is_in(frame["picture"].implode())
    number = _part(unit).removeprefix("part-")
    if number.isdecimal():
        wanted = (pl.col("part_id") == int(number)) & wanted
    with readable_parquet(path):
        found = pl.scan_parquet(path).filter(wanted).select("image_name", *scores).collect()
    first = found.unique("image_name", keep="first", maintain_order=True)
    return frame.join(
        first, left_on="picture", right_on="image_name", how="left", maintain_order="left"
    )


def _read_zipped(archive: zipfile.ZipFile, picture: str, entry: zipfile.ZipInfo | None) -> bytes:
    name = f"{picture} in {archive.filename}"
    if entry is None:
        raise UnreadableImageError(f"there is no {name}")
    if entry.file_size > DEFAULT_LIMITS.max_bytes:
        raise too_large(name)
    try:
        return archive.read(entry)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError) as error:
        raise UnreadableImageError(f"cannot read {name}: {error}") from error


DIFFUSIONDB = Kind(
    name="diffusiondb",
    title="DiffusionDB 2M and Large",
    files="metadata.parquet, metadata-large.parquet, or parts: part-000001.zip, part-000001/",
    licence="CC0 1.0; what users wrote, with NSFW content. Check before use",
    read=read_diffusiondb,
    patterns=(METADATA, ("part-*.json", "part-*.zip")),
    settings=("max_prompt_nsfw", "max_image_nsfw", "metadata"),
    example={"path": "diffusiondb/metadata.parquet", "max_prompt_nsfw": 0.5, "max_rows": 1000000},
    pairs=PairReader(list_part, open_part, find_parts),
)
