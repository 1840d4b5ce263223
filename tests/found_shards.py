"""Shards as img2dataset and other programs leave them, for tests."""

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from unprompt.index.images.pictures import encode_picture

PROMPTS = tuple(f"a {word} on a table" for word in ("red fox", "tiny boat", "glass whale", "clock"))


def jpeg(number: int) -> bytes:
    """A small picture of its own color."""
    color = np.array([40 * number % 255, 255 - 30 * number % 255, 77], np.uint8)
    return encode_picture(np.full((32, 32, 3), color, np.uint8), "jpg")


def write_members(path: Path, members: Sequence[tuple[str, bytes]], mode: str = "w") -> Path:
    """A tar of (name, content) pairs; `mode` is that of tarfile, such as w:gz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


def found_shard(
    folder: Path,
    stem: str = "00000",
    *,
    digits: int = 4,
    captions: Sequence[Any] = PROMPTS,
    column: str | None = "caption",
    texts: bool = True,
    jsons: Sequence[Mapping[str, Any]] | None = None,
    keys: pl.Series | None = None,
    more: Sequence[tuple[str, bytes]] = (),
) -> list[str]:
    """Write one shard; returns the keys of its tar.

    `digits` are those of the row in the key, `column` that of the captions in the table, `keys`
    the column `key` if it is another one, `more` are further members of the tar.
    """
    names = [f"{stem}{row:0{digits}d}" for row in range(len(captions))]
    columns: dict[str, Any] = {
        "url": [f"http://x/{name}" for name in names],
        "key": names if keys is None else keys,
        "status": ["success"] * len(names),
        "error_message": pl.Series([None] * len(names), dtype=pl.String),
    }
    if column is not None:
        columns[column] = captions
    members = []
    for row, name in enumerate(names):
        members.append((f"{name}.jpg", jpeg(row)))
        if texts and isinstance(captions[row], str):
            members.append((f"{name}.txt", captions[row].encode()))
        if jsons is not None:
            members.append((f"{name}.json", json.dumps(jsons[row]).encode()))
    folder.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(columns).write_parquet(folder / f"{stem}.parquet")
    write_members(folder / f"{stem}.tar", [*members, *more])
    (folder / f"{stem}_stats.json").write_text(json.dumps({"count": len(names)}))
    return names
