"""docs/limits.md says the limits that the code has."""

from pathlib import Path

import pytest

from unprompt.index.decode import batches, budget, cost, open_file
from unprompt.index.decode.lean import jpeg, parts, tiff
from unprompt.index.images import parquet_pictures, pictures
from unprompt.index.parquet import checked, footer, thrift
from unprompt.inversion.inverter import BATCH

ROOT = Path(__file__).parents[1]
LIMITS = (ROOT / "docs" / "limits.md").read_text("utf-8")
MIB = 2**20


@pytest.mark.parametrize(
    "said",
    [
        f"{pictures.MAX_PIXELS // 10**6} megapixels",
        f"| {pictures.MAX_BYTES // MIB} MiB |",
        f"| {budget.BUDGET_BYTES // 10**6} MB |",
        f"in one process at a time | {budget.FILE_BYTES // MIB} MiB |",
        f"| {pictures.KEEP_PIXELS / 1e6:.1f} megapixels |",
        f"| {batches.BATCH_BYTES // 10**6} MB, and {BATCH} pictures |",
        f"scans of a JPEG | {jpeg.MOST_SCANS} |",
        f"segments of a JPEG | {jpeg.MOST_SEGMENTS:,} |",
        f"first frame of a GIF | {parts.MOST_PARTS:,} |",
        f"is turned | {parts.LARGEST_NOTE >> 10} KiB |",
        f"times its pixels | {open_file.MOST_PASSED_PIXELS // 10**6:,} megapixels |",
        f"tiles of a TIFF | {tiff.MOST_STRIPS:,} |",
        f"coded BMP | {open_file.MOST_SLOW_PIXELS // 10**6} megapixels |",
        f"| {footer.LARGEST_FOOTER // MIB} MiB, 4,000,000 values, {thrift.DEEPEST} levels |",
        f"| {footer.MOST_COLUMNS:,} elements, {footer.DEEPEST_SCHEMA} levels |",
        f"rows of a parquet file | {checked.MOST_ROWS:,};",
        f"| {parquet_pictures.LONGEST_NAME} characters, the rest is cut |",
        f"| AVIF | {cost._BYTES['AVIF']} |",
        f"| WebP | {cost._BYTES['WEBP']} |",
    ],
)
def test_the_page_says_what_the_code_does(said: str) -> None:
    assert said in LIMITS, said


def test_the_named_files_are_there() -> None:
    named = {part for part in LIMITS.split("`") if part.startswith("index/") and part[-3:] == ".py"}
    assert len(named) >= 8 and all((ROOT / path).is_file() for path in named)
