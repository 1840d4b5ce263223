"""Bad input through the command line: a message that helps, the exit code, no work lost."""

import io
import json
import os
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from unprompt.index.images.shard_names import tar_path
from unprompt.inversion.batch.parts import PART

Cli = Callable[..., Any]


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def bomb() -> bytes:
    """A PNG of a few bytes that declares 200 megapixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + crc

    header = struct.pack(">IIBBBBB", 20_000, 10_000, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def gradient(size: int = 48) -> Image.Image:
    return Image.linear_gradient("L").resize((size, size)).convert("RGB")


def rotated() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(gradient().transpose(Image.Transpose.ROTATE_90), "PNG", exif=exif)


def animated() -> bytes:
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("red", "blue")]
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])


BAD = {
    "truncated.jpg": (encoded(gradient(200), "JPEG")[:900], "damaged or cut short"),
    "empty.png": (b"", "the file is empty"),
    "text.png": (b"this is no picture", "text file: it holds no picture"),
    "bomb.png": (bomb(), "it declares too many pixels"),
    "page.jpg": (b"<html>404 not found</html>", "HTML page: fetch the picture itself"),
}
ODD = {
    "16bit.png": encoded(Image.fromarray(np.full((9, 9), 40_000, np.uint16)), "PNG"),
    "cmyk.jpg": encoded(gradient().convert("CMYK"), "JPEG"),
    "palette.png": encoded(gradient().convert("P"), "PNG"),
    "animated.gif": animated(),
    "exif.png": rotated(),
    "alpha.png": encoded(Image.new("RGBA", (9, 9), (255, 0, 0, 90)), "PNG"),
    "one.png": encoded(Image.new("RGB", (1, 1), "red"), "PNG"),
    "strip.png": encoded(Image.new("RGB", (3000, 1), "red"), "PNG"),
    "plain.png": encoded(gradient(), "PNG"),
}


@pytest.fixture
def bundle(tiny_run: Path) -> Path:
    return tiny_run / "bundle"


@pytest.fixture
def damaged_bundle(bundle: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    shutil.copytree(bundle, tmp_path / "bundle")
    return tmp_path / "bundle"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Good and bad pictures in one folder."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, content in {**ODD, **{name: found[0] for name, found in BAD.items()}}.items():
        (folder / name).write_bytes(content)
    return folder


@contextmanager
def unprivileged() -> Iterator[None]:
    """Root may read and write everything: become nobody meanwhile."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_picture_alone(cli: Cli, bundle: Path, tmp_path: Path, name: str) -> None:
    content, fault = BAD[name]
    path = tmp_path / name
    path.write_bytes(content)
    found = cli("invert", path, "--bundle", bundle)
    assert (found.code, found.out) == (1, "")
    assert str(path) in found.err and fault in found.err
    assert "wanted a whole PNG, JPEG" in found.err, "what would have worked"


def test_odd_pictures_all_work(cli: Cli, bundle: Path, tmp_path: Path) -> None:
    for name, content in ODD.items():
        (tmp_path / name).write_bytes(content)
    output = tmp_path / "out.parquet"
    assert cli("invert", tmp_path, "-b", bundle, "-o", output).code == 0
    table = pl.read_parquet(output)
    assert table.height == len(ODD) and set(table["status"]) == {"success"}
    vectors = {Path(r["image"]).name: np.array(r["vector"]) for r in table.iter_rows(named=True)}
    assert all(np.linalg.norm(v) == pytest.approx(1, abs=1e-4) for v in vectors.values())
    np.testing.assert_allclose(vectors["exif.png"], vectors["plain.png"], atol=1e-4)
    assert vectors["plain.png"] @ vectors["one.png"] < 0.999, "they are not all the same"


def test_bad_pictures_among_good_ones_lose_no_work(
    cli: Cli, bundle: Path, pictures: Path, tmp_path: Path
) -> None:
    output, submission = tmp_path / "out.csv", tmp_path / "submission.csv"
    found = cli("invert", pictures, "-b", bundle, "-o", output, "--submission", submission)
    assert found.code == 1 and f"{len(BAD)} pictures could not be read" in found.err
    table = pl.read_csv(output)
    status = {Path(r["image"]).name: r for r in table.iter_rows(named=True)}
    assert {name for name, r in status.items() if r["status"] == "failed"} == set(BAD)
    for name, (_, fault) in BAD.items():
        assert fault in status[name]["error_message"] and name in status[name]["error_message"]
    assert all(status[name]["prompt"] for name in ODD)
    assert len(submission.read_text().splitlines()) == 1 + 384 * (len(ODD) + len(BAD))
    shown = cli("invert", pictures, "-b", bundle, "-n", 1)
    assert shown.code == 1
    assert all(f"{pictures / name}: " in shown.out for name in ODD)
    assert all(f"{pictures / name}: " in shown.err for name in BAD)


@pytest.mark.parametrize(
    "name,fault",
    [
        ("missing.png", "cannot find .*missing.png.*name a picture, a folder"),
        ("*.png", "no pictures match"),
        ("empty", "no pictures in .*empty; looked for .png"),
        ("tars", r"no pictures in .*to read its tars, name them"),
    ],
)
def test_nothing_there(cli: Cli, bundle: Path, tmp_path: Path, name: str, fault: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "tars").mkdir()
    (tmp_path / "tars" / "x.tar").touch()
    found = cli("invert", tmp_path / name, "--bundle", bundle)
    assert found.code == 1
    assert pl.Series([found.err.replace("\n", " ")]).str.contains(fault)[0], found.err


def test_a_tar_cut_short(cli: Cli, tiny_run: Path, bundle: Path, tmp_path: Path) -> None:
    whole = tar_path(tiny_run / "images", 0).read_bytes()
    (tmp_path / "cut.tar").write_bytes(whole[: len(whole) // 10])
    output = tmp_path / "out.csv"
    found = cli("invert", tmp_path / "cut.tar", "-b", bundle, "-o", output)
    assert found.code == 1
    table = pl.read_csv(output)
    failed = table.filter(pl.col("status") == "failed")
    assert failed.height == 1 and table.height > 3, "what was whole is in the output"
    assert "cut.tar is cut short" in failed["error_message"][0]


def test_a_name_that_is_no_text(cli: Cli, bundle: Path, tmp_path: Path) -> None:
    name = b"fox\xff.png".decode("utf-8", "surrogateescape")
    Path(f"{tmp_path}/{name}").write_bytes(ODD["plain.png"])
    for suffix in ("csv", "parquet", "jsonl"):
        output = tmp_path / f"out.{suffix}"
        assert cli("invert", tmp_path, "-b", bundle, "-o", output).code == 0
        assert b"fox\\" in output.read_bytes() or suffix == "parquet"
    assert "fox\\xff.png: " in cli("invert", tmp_path, "-b", bundle).out


def test_a_manifest_of_another_encoder(cli: Cli, damaged_bundle: Path, pictures: Path) -> None:
    path = damaged_bundle / "index" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest.pop("digest")
    space = manifest["space"]
    path.write_text(json.dumps({**manifest, "space": "f" * len(space)}))
    assert cli("seal", damaged_bundle).code == 0
    found = cli("invert", pictures, "--bundle", damaged_bundle)
    assert (found.code, found.out) == (1, "")
    assert space in found.err and "f" * len(space) in found.err
    assert "vectors of different encoders cannot be compared" in found.err


@pytest.mark.parametrize(
    "name",
    ["index/index.faiss", "index/rows.parquet", "index/targets.npy", "encoder/tower.bin"],
)
def test_a_damaged_bundle(cli: Cli, damaged_bundle: Path, pictures: Path, name: str) -> None:
    path = damaged_bundle / name
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for content in (bytes(flipped), whole[: len(whole) // 2], b""):
        path.write_bytes(content)
        found = cli("invert", pictures, "--bundle", damaged_bundle)
        assert (found.code, found.out) == (1, "")
        assert name.split("/")[1] in found.err and "unprompt build" in found.err
        if name.startswith("index"):
            found = cli("index", "verify", damaged_bundle)
            assert found.code == 1 and name.split("/")[1] in found.err


def test_without_the_rights_to_read_or_write(cli: Cli, bundle: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copytree(bundle, folder / "bundle")
        for picture in ("a.png", "closed.png"):
            (folder / picture).write_bytes(ODD["plain.png"])
        (folder / "closed.png").chmod(0o000)
        (folder / "read-only").mkdir(mode=0o555)
        arguments = ["invert", folder / "a.png", folder / "closed.png", "-b", folder / "bundle"]
        cli(*arguments)  # what root alone could import is loaded by now
        with unprivileged():
            shown = cli(*arguments)
            written = cli(*arguments, "-o", folder / "read-only" / "out.csv")
            barred = cli(*arguments, "-o", folder / "read-only" / "deeper" / "out.csv")
        assert shown.code == 1 and f"{folder / 'a.png'}: " in shown.out
        assert "closed.png: it cannot be opened (Permission denied)" in shown.err
        for found in (written, barred):
            assert found.code == 1
            assert "out.csv" in found.err and "Permission denied" in found.err
            assert "choose another output folder" in found.err


@pytest.mark.parametrize("output", ["file/out.csv", "folder.csv"])
def test_an_output_that_cannot_be(
    cli: Cli, bundle: Path, pictures: Path, tmp_path: Path, output: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.csv").mkdir()
    path = tmp_path / output
    found = cli("invert", pictures / "plain.png", "-b", bundle, "-o", path)
    assert found.code == 1 and f"cannot write {path}" in found.err


def run_limited(arguments: list[object], limit_bytes: int) -> subprocess.CompletedProcess:
    """The command in a process whose files may not grow past a limit, as on a full disk."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

    return subprocess.run(
        [sys.executable, "-B", "-m", "unprompt.ui.cli.main", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=limit,
    )


def test_a_full_disk_and_the_same_command_again(cli: Cli, bundle: Path, tmp_path: Path) -> None:
    """The first part holds error messages and fits; the second holds answers and does not."""
    for place in range(PART):
        (tmp_path / f"{place:02d}.png").touch()
    for place, letter in enumerate(ascii_lowercase):
        (tmp_path / f"{letter}.png").write_bytes(encoded(gradient(40 + place), "PNG"))
    output = tmp_path / "out" / "out.parquet"
    arguments: list[object] = ["invert", tmp_path, "-b", bundle, "-o", output, "--no-compose"]
    full = run_limited(arguments, 60_000)
    assert full.returncode == 1 and "Traceback" not in full.stderr
    parts = output.with_name("out.parquet.parts")
    assert f"cannot write {parts / '00001.jsonl'}" in full.stderr and "free some" in full.stderr
    assert list(output.parent.rglob("*")) == [parts, parts / "00000.jsonl"]
    again = cli(*arguments)
    assert f"going on after {PART} pictures" in again.err, again.err
    table = pl.read_parquet(output)
    assert table["status"].to_list() == ["failed"] * PART + ["success"] * 26
    images = [Path(image).name for image in table["image"]]
    assert images == sorted(images) and len(set(images)) == PART + 26
    assert again.code == 1 and os.listdir(output.parent) == ["out.parquet"]


@pytest.mark.parametrize("stage,limit_bytes", [("index", 4000), ("index", 20_000), ("fit", 30_000)])
def test_a_full_disk_while_building(
    cli: Cli, tiny_run: Path, tmp_path: Path, stage: str, limit_bytes: int
) -> None:
    """FAISS, polars and safetensors each report a full disk in their own way."""
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    whole = {path: path.read_bytes() for path in (run / "bundle").rglob("*") if path.is_file()}
    arguments: list[object] = ["build", "scenes-tiny", "-o", run, "--stage", stage]
    full = run_limited(arguments, limit_bytes)
    assert full.returncode == 1 and "Traceback" not in full.stderr, full.stderr
    assert "cannot write" in full.stderr and "free some space" in full.stderr
    assert not list(run.rglob("*.tmp"))
    again = cli("build", "scenes-tiny", "-o", run)
    assert again.code == 0, again.err
    assert {path: path.read_bytes() for path in whole} == whole


def test_a_full_disk_behind_stdout(bundle: Path, pictures: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    command = [sys.executable, "-m", "unprompt.ui.cli.main", "invert", str(pictures / "plain.png")]
    with open("/dev/full", "w") as full:
        found = subprocess.run(
            [*command, "-b", str(bundle)], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert found.returncode == 1
    assert found.stderr == "unprompt: [Errno 28] No space left on device\n"
