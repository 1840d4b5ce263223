"""A folder of numbered shards -> the names of its files, whatever the width of the numbers.

unprompt writes 00000.tar, 00000.parquet and 00000_stats.json. img2dataset writes the same names
with as many digits as its `oom_shard_count` says.
"""

import re
from pathlib import Path

from unprompt.index.base.errors import CorpusError

WIDEST = 12  # digits
TAR, TABLE, STATS = ".tar", ".parquet", "_stats.json"
PARTS = (TAR, TABLE, STATS)
NAME = re.compile(rf"(\d{{1,{WIDEST}}})(\.tar|\.parquet|_stats\.json)")


def tar_path(folder: Path, shard: int) -> Path:
    """The tar with the shard's pictures."""
    return folder / f"{stem_of(folder, shard)}{TAR}"


def parquet_path(folder: Path, shard: int) -> Path:
    """The parquet file with the shard's images table."""
    return folder / f"{stem_of(folder, shard)}{TABLE}"


def stats_path(folder: Path, shard: int) -> Path:
    """The JSON file that marks the shard as finished."""
    return folder / f"{stem_of(folder, shard)}{STATS}"


def stem_of(folder: Path, shard: int) -> str:
    """The name of a shard without suffix; 5 digits where the folder does not have it."""
    own = f"{shard:05d}"
    if _exists(folder, own):
        return own
    widths = range(len(str(shard)), WIDEST + 1)
    others = (f"{shard:0{width}d}" for width in widths)
    return next((stem for stem in others if _exists(folder, stem)), own)


def is_done(folder: Path, shard: int) -> bool:
    """Whether the shard is finished: its stats file, tar and parquet file exist."""
    stem = stem_of(folder, shard)
    return all((folder / f"{stem}{part}").is_file() for part in PARTS)


def done_shards(folder: Path) -> list[int]:
    """The numbers of all finished shards, ascending.

    Raises CorpusError if there is none, or if two shards have one number.
    """
    done = shard_stems(folder)
    numbers = sorted(done.values())
    if len(set(numbers)) < len(numbers):
        twice = [stem for stem, number in done.items() if numbers.count(number) > 1]
        raise CorpusError(
            f"{folder} holds two shards of one number: {', '.join(twice)}; give each collection "
            "a folder of its own"
        )
    if not done:
        lacking = "; ".join(incomplete_shards(folder)[:3])
        raise CorpusError(
            f"no finished shard in {folder}; wanted 00000.tar, 00000.parquet and 00000_stats.json, "
            "as `unprompt build` and img2dataset write them"
            + (f"; found {lacking}" * bool(lacking))
        )
    return numbers


def shard_stems(folder: Path) -> dict[str, int]:
    """The number of each finished shard, by its name."""
    return {stem: int(stem) for stem, parts in _parts(folder).items() if len(parts) == len(PARTS)}


def incomplete_shards(folder: Path) -> list[str]:
    """A message per shard that lacks one of its files, and for tars without a number as name."""
    found = []
    for stem, parts in _parts(folder).items():
        missing = [f"{stem}{part}" for part in PARTS if part not in parts]
        if missing:
            found.append(f"{stem} without {' and '.join(missing)}")
    if folder.is_dir():
        others = (path for path in folder.iterdir() if path.suffix == TAR)
        found += [f"{path.name}, no number" for path in sorted(others) if not path.stem.isdecimal()]
    return found


def _exists(folder: Path, stem: str) -> bool:
    return any((folder / f"{stem}{part}").is_file() for part in PARTS)


def _parts(folder: Path) -> dict[str, set[str]]:
    """The parts of each shard that are there, by the shard's name."""
    found: dict[str, set[str]] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        match = NAME.fullmatch(path.name)
        if match and path.is_file():
            found.setdefault(match[1], set()).add(match[2])
    return found
