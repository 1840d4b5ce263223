"""Settings -> a folder of webdataset shards with drawn pictures, and the table of their captions.

    FOLDER/00000.tar      KEY.png, KEY.txt (the first caption)
    FOLDER.parquet        key, shard, prompt (a list of captions), kind, generator, source
    FOLDER/kinds.json     the settings, written last: it marks the folder as complete

This is the form of labelled pairs, which evaluation and the fit of the router read.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from unprompt.build.kinds.config import KindsConfig
from unprompt.build.kinds.kinds import draw_kind
from unprompt.index.archives.tars import write_tar
from unprompt.index.base.durable import read_json, write_atomically, write_json
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.base.settings import write_settings
from unprompt.index.base.tables import write_table
from unprompt.index.images.pictures import encode_picture

RECORD = "kinds.json"
SOURCE, GENERATOR = "unprompt kinds", "drawn"


def write_kinds(
    folder: Path, config: KindsConfig, overwrite: bool = False, progress: Progress = SILENT
) -> pl.DataFrame:
    """Draw all pictures of `config` into `folder`; returns the table of captions.

    A finished tar is not drawn again, so a killed run goes on. Raises ConfigError where the folder
    holds pictures of other settings and `overwrite` is not set.
    """
    _check_settings(folder, config, overwrite)
    pictures = config.pictures
    rows: list[dict[str, object]] = []
    starts = range(0, len(pictures), config.shard_size)
    for shard, start in enumerate(progress.track(starts, "shards", len(starts))):
        part = pictures[start : start + config.shard_size]
        path = folder / f"{shard:05d}.tar"
        if path.is_file():
            rows += _rows(shard, part, config.seed)
            continue
        with write_atomically(path) as temporary:
            write_tar(temporary, _samples(shard, part, config.seed, rows))
    table = pl.DataFrame(rows)
    write_table(folder.with_name(f"{folder.name}.parquet"), table)
    write_json(folder / RECORD, {"settings": write_settings(config), "complete": True})
    return table


def _check_settings(folder: Path, config: KindsConfig, overwrite: bool) -> None:
    record = folder / RECORD
    tars = sorted(folder.glob("*.tar"))
    known = read_json(record)["settings"] if record.is_file() else None
    if tars and known != write_settings(config):
        if not overwrite:
            raise ConfigError(
                f"{folder} holds pictures of other settings; choose another folder, or add "
                "--overwrite to replace them"
            )
        for tar in tars:
            tar.unlink()
    write_json(record, {"settings": write_settings(config), "complete": False})


def _samples(
    shard: int, part: list[tuple[str, int]], seed: int, rows: list[dict[str, object]]
) -> Iterator[tuple[str, bytes]]:
    """The members of a tar; appends a row of the table for each picture."""
    for place, (kind, number) in enumerate(part):
        drawn = draw_kind(kind, number, seed)
        row = _row(shard, place, kind, drawn.captions)
        rows.append(row)
        yield f"{row['key']}.png", encode_picture(np.asarray(drawn.picture), "png")
        yield f"{row['key']}.txt", drawn.captions[0].encode()


def _rows(shard: int, part: list[tuple[str, int]], seed: int) -> list[dict[str, object]]:
    """The rows of a finished tar."""
    return [
        _row(shard, place, kind, draw_kind(kind, number, seed).captions)
        for place, (kind, number) in enumerate(part)
    ]


def _row(shard: int, place: int, kind: str, captions: tuple[str, ...]) -> dict[str, object]:
    return {
        "key": f"{shard:05d}{place:04d}",
        "shard": f"{shard:05d}",
        "prompt": list(captions),
        "kind": kind,
        "generator": GENERATOR,
        "source": SOURCE,
    }
