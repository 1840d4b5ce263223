"""A zoo of malformed pictures and archives, made by code: the same seed makes the same files.

    python tests/zoo.py --count 2400 --folder /tmp/zoo

makes it, runs `unprompt invert` on all of it, and prints what must hold: a row per file, no
traceback, no foreign line on stderr, the peak of memory. The tests run a small one.
"""

import argparse
import csv
import gzip
import io
import lzma
import random
import re
import struct
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

SIDE = 48  # pixels
ARCHIVES = (".tar", ".parquet", ".zip", ".gz", ".xz")
OWN_LINES = re.compile(
    r"invert: \d+/\d+, .*|\d+ rows -> .*|\d+ pictures could not be read.*|going on after .*"
)
EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def make_zoo(folder: Path, count: int, seed: int = 0) -> list[Path]:
    """Write `count` mutated files, of every kind in turn; returns their paths."""
    rng = random.Random(seed)
    kinds = sorted(whole_files().items())
    paths = []
    for number in range(count):
        name, content = kinds[number % len(kinds)]
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            content = rng.choice(MUTATIONS)(rng, content, kinds)
        path = folder / f"{number:05d}-{name}"
        path.write_bytes(content)
        paths.append(path)
    return paths


def whole_files() -> dict[str, bytes]:
    """Small whole files by name: pictures in every format, and archives of them."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.uint8)
    rgb = Image.fromarray(np.stack([x * 5, y * 5, (x ^ y) * 4], -1))
    rgba = rgb.copy()
    rgba.putalpha(Image.fromarray(x * 5))
    deep = Image.fromarray(np.asarray(rgb.convert("L")).astype(np.uint16) * 257)
    few, exif = rgb.quantize(16), Image.Exif()
    exif[0x0112], exif[0x9286] = 6, b"ASCII\0\0\0a red fox"
    made = {
        "a.png": saved(rgb, "PNG", exif=exif),
        "alpha.png": saved(rgba, "PNG"),
        "deep.png": saved(deep, "PNG"),
        "few.png": saved(few, "PNG", transparency=3),
        "a.jpg": saved(rgb, "JPEG", exif=exif),
        "progressive.jpg": saved(rgb, "JPEG", progressive=True),
        "cmyk.jpg": saved(rgb.convert("CMYK"), "JPEG"),
        "a.gif": saved(few, "GIF", save_all=True, append_images=[few, few], comment=b"x" * 300),
        "a.webp": saved(rgba, "WEBP", exif=exif),
        "lossless.webp": saved(rgb, "WEBP", lossless=True),
        "moving.webp": saved(rgb, "WEBP", save_all=True, append_images=[rgb.rotate(90)]),
        "a.bmp": saved(few, "BMP"),
        "raw.tif": saved(rgba, "TIFF", exif=exif),
        "lzw.tif": saved(rgb, "TIFF", compression="tiff_lzw"),
        "deflate.tif": saved(deep, "TIFF", compression="tiff_adobe_deflate"),
        "jpeg.tif": saved(rgb, "TIFF", compression="jpeg"),
        "fax.tif": saved(rgb.convert("1"), "TIFF", compression="group4"),
        "a.avif": saved(rgb, "AVIF", exif=exif),
        "a.jp2.png": saved(rgb, "JPEG2000"),
        "a.ppm.png": saved(rgb, "PPM"),
        "a.ico.png": saved(rgb, "ICO"),
        "a.svg.png": b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="9"/></svg>',
        **_of_extras(rgb),
    }
    pictures = [made["a.png"], made["a.jpg"], made["a.webp"]] * 3
    return made | _archives(pictures)


def _of_extras(rgb: Image.Image) -> dict[str, bytes]:
    """HEIC and JPEG XL where their libraries are there to write them."""
    found = {}
    try:
        import pillow_heif

        pillow_heif.register_heif_opener()
        found["a.heic"] = saved(rgb, "HEIF")
    except ImportError:
        pass
    try:
        import pillow_jxl  # noqa: F401

        found["a.jxl"] = saved(rgb, "JXL")
    except ImportError:
        pass
    return found


def _archives(pictures: list[bytes]) -> dict[str, bytes]:
    made = {}
    for name, form in (("pax.tar", tarfile.PAX_FORMAT), ("gnu.tar", tarfile.GNU_FORMAT)):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
            for number, content in enumerate(pictures):
                entry = tarfile.TarInfo(f"{'long-name-' * 12}é{number}.png")
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
        made[name] = buffer.getvalue()
    made["gnu.tar.gz"] = gzip.compress(made["gnu.tar"], mtime=0)
    made["gnu.tar.xz"] = lzma.compress(made["gnu.tar"])
    for name, packing in (("stored.zip", zipfile.ZIP_STORED), ("packed.zip", zipfile.ZIP_DEFLATED)):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", packing) as archive:
            for number, content in enumerate(pictures):
                archive.writestr(zipfile.ZipInfo(f"{number}.png"), content, packing)
        made[name] = buffer.getvalue()
    names = [f"{number}.png" for number in range(len(pictures))]
    plain = pl.DataFrame({"image": pictures, "key": names})
    nested = pl.DataFrame({"image": [{"bytes": p, "path": n} for p, n in zip(pictures, names)]})  # noqa: B905
    options = {"zstd.parquet": "zstd", "snappy.parquet": "snappy", "plain.parquet": "uncompressed"}
    for table, kind in ((plain, ""), (nested, "nested-")):
        for name, compression in options.items():
            buffer = io.BytesIO()
            table.write_parquet(buffer, compression=compression)  # type: ignore[arg-type]
            made[kind + name] = buffer.getvalue()
    return made


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    """The bytes of a picture file."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


Kinds = list[tuple[str, bytes]]
Mutation = Callable[[random.Random, bytes, Kinds], bytes]


def _cut(rng: random.Random, content: bytes, kinds: Kinds) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def _flip(rng: random.Random, content: bytes, kinds: Kinds) -> bytes:
    found = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8, 32))):
        if found:
            found[rng.randrange(len(found))] = rng.randrange(256)
    return bytes(found)


def _flip_head(rng: random.Random, content: bytes, kinds: Kinds) -> bytes:
    found = bytearray(content)
    for _ in range(rng.choice((1, 2, 4))):
        if found:
            found[rng.randrange(min(len(found), 128))] ^= 1 << rng.randrange(8)
    return bytes(found)


def _number(rng: random.Random, content: bytes, kinds: Kinds) -> bytes:
    """An extreme number at some place, near the start or the end for the most part."""
    if len(content) < 8:
        return content
    last = len(content) - 4
    near = min(last, 200)
    place = rng.choice((rng.randint(0, near), rng.randint(0, last), last - rng.randint(0, near)))
    form = rng.choice(("<L", ">L"))
    return content[:place] + struct.pack(form, rng.choice(EXTREMES)) + content[place + 4 :]


def _repeat(rng: random.Random, content: bytes, kinds: Kinds) -> bytes:
    start, end = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    return content[:end] + content[start:end] * rng.choice((1, 3, 20)) + content[end:]


def _drop(rng: random.Random, content: bytes, kinds: Kinds) -> bytes:
    start, end = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    return content[:start] + content[end:]


def _blank(rng: random.Random, content: bytes, kinds: Kinds) -> bytes:
    start, end = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    return content[:start] + bytes((rng.choice((0, 255)),)) * (end - start) + content[end:]


def _cross(rng: random.Random, content: bytes, kinds: Kinds) -> bytes:
    """The start of this file and the end of another."""
    other = rng.choice(kinds)[1]
    return content[: rng.randrange(len(content) + 1)] + other[rng.randrange(len(other) + 1) :]


MUTATIONS: tuple[Mutation, ...] = (
    _cut, _flip, _flip, _flip_head, _number, _number, _repeat, _drop, _blank, _cross,
)  # fmt: skip


# The peak of a process counts its parent's memory too, from before the exec: this parent is small.
MEASURED = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[2:])
_, status, usage = os.wait4(process.pid, 0)
with open(sys.argv[1], "w") as file:
    file.write(str(usage.ru_maxrss))
sys.exit(os.waitstatus_to_exitcode(status))
"""


@dataclass(frozen=True)
class ZooRun:
    """What `unprompt invert` did with a zoo."""

    rows: int
    without_row: list[str]  # files that no row names
    succeeded: int
    foreign: list[str]  # lines on stderr that are not the command's own
    exit_code: int
    peak: int  # bytes
    seconds: float


def invert_zoo(paths: list[Path], output: Path, *options: str) -> ZooRun:
    """Run `unprompt invert` on the folder of the pictures and on each archive."""
    archives = [str(path) for path in paths if path.suffix in ARCHIVES]
    arguments = [str(paths[0].parent), *archives, "--output", str(output), *options]
    log = output.with_suffix(".stderr")
    begun = time.monotonic()
    with log.open("wb") as stderr:
        command = [sys.executable, "-m", "unprompt", "invert", *arguments]
        peak = output.with_suffix(".peak")
        run = subprocess.run([sys.executable, "-c", MEASURED, str(peak), *command], stderr=stderr)
    lines = log.read_text("utf-8", "replace").splitlines()
    rows = []
    if output.exists():
        with output.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    named = {row["image"] for row in rows}
    ends = re.compile(r"\.(tar|parquet|zip|gz|xz)(?=/)")
    inside = {name[: end.end()] for name in named for end in ends.finditer(name)}
    missing = [str(path) for path in paths if str(path) not in named | inside]
    return ZooRun(
        rows=len(rows),
        without_row=missing,
        succeeded=sum(row["status"] == "success" for row in rows),
        foreign=[line for line in lines if not OWN_LINES.fullmatch(line)],
        exit_code=run.returncode,
        peak=int(peak.read_text()) * 1024,
        seconds=time.monotonic() - begun,
    )


def main() -> int:
    """Make a zoo of the given size, run it, and say what held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, required=True)
    asked = parser.parse_args()
    animals = asked.folder / "animals"
    animals.mkdir(parents=True, exist_ok=True)
    paths = make_zoo(animals, asked.count, asked.seed)
    run = invert_zoo(paths, asked.folder / "zoo.csv", "--no-compose")
    print(f"{asked.count} files, {run.rows} rows, {run.succeeded} answered, exit {run.exit_code}")
    print(f"without a row: {len(run.without_row)} {run.without_row[:5]}")
    print(f"foreign lines on stderr: {len(run.foreign)} {run.foreign[:20]}")
    print(f"peak {run.peak / 1e6:.0f} MB, {run.seconds:.0f} s")
    return int(bool(run.without_row or run.foreign))


if __name__ == "__main__":
    sys.exit(main())
