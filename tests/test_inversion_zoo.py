"""Malformed pictures and archives: each is a row with a reason, and the batch goes on."""

import io
import struct
import sys
import tarfile
import time
from pathlib import Path

import polars as pl
import pytest
from PIL import Image
from zoo import ARCHIVES, invert_zoo, make_zoo, whole_files

from unprompt.index.archives.tars import tar_members
from unprompt.index.base.errors import CorpusError, DamagedFileError, UnreadableImageError
from unprompt.index.formats.parquet import stream_parquet
from unprompt.index.formats.rows import pick_prompt
from unprompt.index.formats.tally import Tally
from unprompt.index.parquet.checked import check_parquet
from unprompt.inversion.batch.inputs import find_pictures

HOSTILE = Path(__file__).parents[2] / "shared" / "cases" / "hostile"
PNG = io.BytesIO()
Image.new("RGB", (4, 4), "red").save(PNG, "PNG")


def opened(path: Path) -> list[str]:
    """How each picture of a file opens: `ok`, or the reason."""
    found = []
    for picture in find_pictures([str(path)]):
        try:
            picture.open()
            found.append("ok")
        except UnreadableImageError as error:
            found.append(str(error))
    return found


def test_a_zoo_gives_a_row_each_and_no_foreign_line(tmp_path: Path) -> None:
    animals = tmp_path / "animals"
    animals.mkdir()
    run = invert_zoo(make_zoo(animals, 120), tmp_path / "zoo.csv", "--no-compose")
    assert (run.without_row, run.foreign, run.exit_code) == ([], [], 1)
    assert 10 < run.succeeded < run.rows
    assert sys.platform != "linux" or run.peak < 900e6  # mostly the networks


def test_every_mutation_gives_pictures_or_reasons(tmp_path: Path) -> None:
    before = time.process_time()
    for path in make_zoo(tmp_path, 500, seed=1):
        assert opened(path), path
    assert time.process_time() - before < 60


def test_whole_files_of_the_zoo_are_read(tmp_path: Path) -> None:
    for name, content in whole_files().items():
        path = tmp_path / name
        path.write_bytes(content)
        readable = not name.endswith((".ico.png", ".svg.png"))
        assert all((answer == "ok") == readable for answer in opened(path)), name
        assert len(opened(path)) == (9 if path.suffix in ARCHIVES else 1)


def tar_of(headers: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        entry = tarfile.TarInfo("a.png")
        entry.size = len(PNG.getvalue())
        tar.addfile(entry, io.BytesIO(PNG.getvalue()))
    return headers + buffer.getvalue()


def header(kind: bytes, data: bytes, size: int | None = None) -> bytes:
    """A member of an extended kind: its header, and its data in whole blocks."""
    entry = tarfile.TarInfo("././@PaxHeader")
    entry.type, entry.size = kind, len(data) if size is None else size
    return entry.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % 512)


@pytest.mark.parametrize(
    "headers,reason",
    [
        (header(b"x", b"1" * 400_000), "hundreds of digits"),
        (header(b"x", b"99 path=" + b"a" * 2_000_000), "headers of more than"),
        (header(b"g", b"0 comment=x\n"), "not a whole"),
        (header(b"x", b"4" * 200 + b" size=1\n"), "not a whole|cut short"),
        (header(b"L", b"", size=3 << 30), "headers of more than|cut short"),
        (b"".join(header(b"L", b"a") for _ in range(900)), "nested too deeply|more than"),
        (header(b"x", b"30 GNU.sparse.size=" + b"9" * 10 + b"\n"), "not a whole|cut short"),
    ],
)
def test_headers_of_tars_are_bounded(tmp_path: Path, headers: bytes, reason: str) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(tar_of(headers))
    begun = time.process_time()
    with pytest.raises(DamagedFileError, match=reason):
        list(tar_members(path))
    assert time.process_time() - begun < 5
    assert len(opened(path)) == 1


def test_a_large_value_that_many_rows_share_is_read_once_a_row(tmp_path: Path) -> None:
    large = PNG.getvalue() + bytes(9 << 20)
    path = tmp_path / "a.parquet"
    pl.DataFrame({"image": [large, PNG.getvalue()] * 10}).write_parquet(path)
    assert path.stat().st_size < 20_000
    pictures = list(find_pictures([str(path)]))
    assert [picture.open().image.size for picture in pictures[:3]] == [(4, 4)] * 3
    names = pl.DataFrame({"image": [PNG.getvalue()] * 20, "key": ["n" * (2 << 20)] * 20})
    names.write_parquet(path)
    assert {len(picture.name) for picture in find_pictures([str(path)])} == {len(str(path)) + 501}


def test_counts_that_nothing_stands_behind_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame({"image": pl.Series([None] * 300_000, dtype=pl.Binary)}).write_parquet(path)
    assert opened(path) == [
        f"cannot read {path}: cannot read {path}: it claims more rows than it has bytes; "
        "0 pictures of it could be used"
    ]
    pl.DataFrame({"image": [bytes(1 << 20)] * 3}).write_parquet(path)
    assert check_parquet(path).most > 1 << 20
    with pytest.raises(DamagedFileError, match=r"unpacks to 1 MB in one row group.*limit is 1 MB"):
        check_parquet(path, most_bytes=1_000_000)
    assert check_parquet(path, {"other"}).most == 0


def test_a_text_that_many_rows_share_does_not_flood_a_corpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame({"prompt": ["a fox " * 1000] * 2000}).write_parquet(path)
    pick = pick_prompt(None)
    assert sum(rows.height for rows in stream_parquet(path, pick, Tally())) == 2000
    monkeypatch.setattr("unprompt.index.formats.parquet.MOST_TEXT", 10_000_000)
    with pytest.raises(CorpusError, match="2,000 rows hold 12 MB of text"):
        list(stream_parquet(path, pick, Tally()))
    path.write_bytes(path.read_bytes()[:-9] + b"x" + path.read_bytes()[-8:])
    with pytest.raises(CorpusError, match="not a readable parquet file"):
        list(stream_parquet(path, pick, Tally()))


def test_footers_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame({"image": [PNG.getvalue()]}).write_parquet(path)
    whole = path.read_bytes()
    size = struct.unpack("<L", whole[-8:-4])[0]
    deep = b"\x15\x02\x19\xfc" + b"\x1c" * 5000
    for footer in (deep, b"\x19" * 3000, whole[-8 - size : -20], b"\xff" * 400, b""):
        path.write_bytes(whole[: -8 - size] + footer + struct.pack("<L", len(footer)) + b"PAR1")
        with pytest.raises(DamagedFileError, match="not a readable parquet file"):
            check_parquet(path)
    path.write_bytes(whole[:-8] + struct.pack("<L", 1 << 31) + b"PAR1")
    with pytest.raises(DamagedFileError, match="footer claims"):
        check_parquet(path)


def test_the_given_archives_fail_with_a_reason() -> None:
    if not HOSTILE.is_dir():
        pytest.skip("needs ../shared/cases/hostile")
    (bomb,) = HOSTILE.glob("08-*/*.parquet")
    (page,) = HOSTILE.glob("07-*/*.parquet")
    pictures = list(find_pictures([str(bomb)]))
    assert len(pictures) == 64
    with pytest.raises(UnreadableImageError, match="zero bytes"):
        pictures[63].open()
    assert [reason.startswith("cannot read") for reason in opened(page)] == [True] * 20
    for tar in HOSTILE.glob("09-*/*.tar"):
        assert len(opened(tar)) == 1 and "not a whole uncompressed tar" in opened(tar)[0]
