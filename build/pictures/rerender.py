"""A row of the images table -> its picture drawn again, compared with the stored one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from unprompt.build.pictures.config import RenderConfig
from unprompt.build.pictures.diffusion.device import DTYPES
from unprompt.build.pictures.load_renderer import load_renderer
from unprompt.build.pictures.output import store
from unprompt.build.renderer import Renderer
from unprompt.index.base.durable import digest_bytes, write_atomically
from unprompt.index.base.errors import ConfigError, CorpusError, PromptError, UnpromptError
from unprompt.index.base.settings import read_settings
from unprompt.index.base.stages import StageLedger
from unprompt.index.bundle.run_folder import RunFolder
from unprompt.index.images.pictures import (
    FULL_SIZE,
    PictureFormat,
    encode_picture,
    open_picture,
    to_array,
)
from unprompt.index.images.shard_pictures import ImageShards
from unprompt.index.images.shards import read_shard_rows

FORMATS: dict[str, PictureFormat] = {
    ".png": "png", ".webp": "webp", ".jpg": "jpg", ".jpeg": "jpg",
}  # fmt: skip
DIFFUSION, SIZE = "diffusion", "size_px"  # what the row of each renderer is known by


@dataclass(frozen=True)
class Rerendered:
    """The picture of a row, drawn again."""

    row: Mapping[str, Any]
    content: bytes  # encoded like the stored picture
    format: PictureFormat
    same_file: bool
    differences: np.ndarray | None  # (h, w, 3) in levels of 255; None: nothing stored

    @property
    def largest(self) -> int | None:
        """The largest difference, in levels of 255."""
        return None if self.differences is None else int(self.differences.max())

    @property
    def mean(self) -> float | None:
        """The mean difference, in levels of 255."""
        return None if self.differences is None else float(self.differences.mean())

    def save(self, path: Path) -> None:
        """Write the picture, encoded for the suffix of `path`; raises ConfigError for others."""
        wanted = FORMATS.get(path.suffix.lower())
        if wanted is None:
            raise ConfigError(f"a picture is written as one of {', '.join(FORMATS)}, got {path}")
        content = self.content
        if wanted != self.format:
            content = encode_picture(to_array(open_picture(content, path.name, FULL_SIZE)), wanted)
        with write_atomically(path) as temporary:
            temporary.write_bytes(content)


def rerender(run: Path, key: str, device: str = "auto") -> Rerendered:
    """Draw the row `key` of a run, or of a folder of image shards, from the settings in the row.

    Raises CorpusError for an unknown key, ConfigError for a row that cannot be drawn here, and
    PromptError where drawing it fails.
    """
    images = RunFolder(run).images
    folder = images if images.is_dir() else run
    row = read_row(folder, key)
    config = row_config(row, stored_as(run), device)
    renderer = load_renderer(config)
    _check_model(row, renderer)
    [drawn] = renderer.draw([row["prompt"]], [row["seed"]])
    if drawn.picture is None:
        raise PromptError(f"row {key}: {drawn.error}")
    stored = _stored_picture(folder, row)
    content, _ = store(drawn.picture, config.format, config.quality, config.output_px)
    differences = None
    if stored is not None:
        again = to_array(open_picture(content, key, FULL_SIZE)).astype(np.int16)
        if again.shape != stored.shape:
            raise ConfigError(
                f"row {key} is {stored.shape[1]} x {stored.shape[0]} pixels and comes out as "
                f"{again.shape[1]} x {again.shape[0]}"
            )
        differences = np.abs(again - stored)
    same_file = digest_bytes(content) == row["sha256"]
    return Rerendered(row, content, config.format, same_file, differences)


def read_row(folder: Path, key: str) -> dict[str, Any]:
    """The row of IMAGES with this key; raises CorpusError where there is none."""
    shard = ImageShards(folder).shard_of(key)
    if shard is None:
        raise CorpusError(f"{folder} has no shard for the picture {key!r}")
    rows = read_shard_rows(folder, shard).filter(pl.col("key") == key)
    if not rows.height:
        raise CorpusError(f"the images table of {folder} has no row {key}")
    return rows.row(0, named=True)


def stored_as(run: Path) -> dict[str, Any]:
    """The image format of a run, for rows that do not record it; empty outside a run."""
    ledger = StageLedger(run)
    render = ledger.settings("images").get("render", {}) if ledger.is_begun("images") else {}
    return {name: render[name] for name in ("format", "quality") if name in render}


def row_config(
    row: Mapping[str, Any], stored: Mapping[str, Any], device: str = "auto"
) -> RenderConfig:
    """The render settings of a row; raises ConfigError for pictures of other programs."""
    name, settings = f"row {row['key']}", _settings(row)
    if not {DIFFUSION, SIZE} & set(settings):
        raise ConfigError(f"{name} was not rendered by unprompt ({row['generator']})")
    whole: dict[str, Any] = {**stored, **settings.get("stored", {})}
    if DIFFUSION not in settings:
        return read_settings(RenderConfig, whole | {SIZE: settings[SIZE]}, name)
    names = {torch_name: ours for ours, torch_name in DTYPES.items()}
    placed = {
        **settings[DIFFUSION],
        "device": device,
        "dtype": names.get(settings.get("dtype", ""), settings[DIFFUSION]["dtype"]),
        "batch_size": settings.get("batch_size"),
    }
    return read_settings(RenderConfig, whole | {"renderer": "diffusers", DIFFUSION: placed}, name)


def _settings(row: Mapping[str, Any]) -> dict[str, Any]:
    settings = json.loads(row["settings"] or "{}")
    return settings if isinstance(settings, dict) else {}


def _check_model(row: Mapping[str, Any], renderer: Renderer) -> None:
    """Raises ConfigError where the model or the version of the scenes has changed."""
    settings = _settings(row)
    if DIFFUSION in settings:
        same = settings["weights"] == renderer.settings["weights"]
    else:
        same = row["generator"] == renderer.generator
    if not same:
        raise ConfigError(
            f"row {row['key']} was drawn by {row['generator']}; its settings now name another "
            "model or version, which draws another picture"
        )


def _stored_picture(folder: Path, row: Mapping[str, Any]) -> np.ndarray | None:
    if row["status"] != "success":
        return None
    try:
        content = ImageShards(folder).image(row["key"])
        return to_array(open_picture(content, row["key"], FULL_SIZE)).astype(np.int16)
    except (UnpromptError, OSError):
        return None  # lost or damaged: the row is drawn again for this reason
