"""Shards: the same rows give the same bytes, webdataset reads them, damage and kills are told."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import webdataset
from hypothesis import given, settings
from hypothesis import strategies as st
from left_files import left_by_a_kill
from polars.testing import assert_frame_equal

from unprompt.index.base.durable import digest_bytes, stable_id
from unprompt.index.base.errors import CorpusError, DamagedFileError, UnpromptError
from unprompt.index.base.tables import IMAGES
from unprompt.index.images.pictures import encode_picture, open_picture
from unprompt.index.images.shard_names import (
    done_shards,
    is_done,
    parquet_path,
    stats_path,
    tar_path,
)
from unprompt.index.images.shard_pictures import CACHED_TABLES, ImageShards, iterate_images
from unprompt.index.images.shards import failed_rows, pending, read_rows, verify, write_shard

FAULT = "the renderer knows no object named gryphon"


def picture(number: int) -> bytes:
    return encode_picture(np.full((2, 3, 3), number, np.uint8), "png")


def images_table(prompts: list[str], failed: set[int] = frozenset()) -> pl.DataFrame:
    """IMAGES rows as a renderer hands them over: no key, no digest yet."""
    rows = [
        {
            "key": None,
            "image_id": stable_id(prompt, row),
            "prompt_id": stable_id(prompt),
            "prompt": prompt,
            "split": "train",
            "seed": 2**64 - 1 - row,
            "generator": "scenes 1",
            "settings": '{"size": 64}',
            "shard": None,
            "sha256": None,
            "width": None if row in failed else 3,
            "height": None if row in failed else 2,
            "status": "failed" if row in failed else "success",
            "error_message": FAULT if row in failed else None,
        }
        for row, prompt in enumerate(prompts)
    ]
    return pl.DataFrame(rows, schema=IMAGES)


def write_three(folder: Path, shard: int = 0) -> None:
    """A red fox, a failure, and a prompt with every awkward character."""
    rows = images_table(["a red fox", "a gryphon", 'snow, "Ü" \n日本'], failed={1})
    write_shard(folder, shard, rows, [picture(10), None, picture(30)], "png")


def digests(folder: Path) -> dict[str, str]:
    return {path.name: digest_bytes(path.read_bytes()) for path in sorted(folder.iterdir())}


def test_rows_come_back_with_key_shard_and_digest(tmp_path: Path) -> None:
    write_three(tmp_path, 7)
    rows = read_rows(tmp_path)
    assert rows.schema == IMAGES
    assert rows["key"].to_list() == ["000070000", "000070001", "000070002"]
    assert rows["shard"].to_list() == [7, 7, 7]
    assert rows["sha256"].to_list() == [digest_bytes(picture(10)), None, digest_bytes(picture(30))]
    assert rows["seed"][0] == 2**64 - 1
    failed = failed_rows(tmp_path)
    assert failed["prompt"].to_list() == ["a gryphon"]
    assert failed["error_message"].to_list() == [FAULT]


def test_images_stream_and_by_key(tmp_path: Path) -> None:
    write_three(tmp_path, 0)
    write_three(tmp_path, 3)
    wanted = [("000030000", picture(10)), ("000030002", picture(30))]
    assert list(iterate_images(tmp_path, 3)) == wanted
    shards = ImageShards(tmp_path)
    assert shards.image("000000002") == picture(30)
    assert shards.image("000030000") == picture(10)
    for absent in ("000000001", "000009999"):
        with pytest.raises(CorpusError, match=f"no picture {absent}"):
            shards.image(absent)
    for foreign in ("000090000", "../../etc"):
        with pytest.raises(CorpusError, match=f"no shard for the picture '{foreign}'"):
            shards.image(foreign)


def test_offset_tables_are_few(tmp_path: Path) -> None:
    for shard in range(CACHED_TABLES + 2):
        write_shard(tmp_path, shard, images_table(["x"]), [picture(shard)], "png")
    shards = ImageShards(tmp_path)
    for _ in range(2):
        for shard in range(CACHED_TABLES + 2):
            assert shards.image(f"{shard:05d}0000") == picture(shard)
    assert len(shards._tables) == CACHED_TABLES


def test_same_rows_same_bytes(tmp_path: Path) -> None:
    write_three(tmp_path / "one")
    write_three(tmp_path / "two")
    first = digests(tmp_path / "one")
    assert list(first) == ["00000.parquet", "00000.tar", "00000_stats.json"]
    assert first == digests(tmp_path / "two")
    write_three(tmp_path / "one")
    assert first == digests(tmp_path / "one")


def test_stats_count_and_name_the_messages(tmp_path: Path) -> None:
    write_three(tmp_path)
    stats = json.loads(stats_path(tmp_path, 0).read_text())
    assert (stats["count"], stats["successes"], stats["failed"]) == (3, 2, 1)
    assert stats["status_dict"] == {"success": 2, FAULT: 1}
    assert stats["sha256"]["tar"] == digest_bytes(tar_path(tmp_path, 0).read_bytes())
    assert stats["sha256"]["parquet"] == digest_bytes(parquet_path(tmp_path, 0).read_bytes())


def test_members_are_plain_ustar(tmp_path: Path) -> None:
    write_three(tmp_path)
    with tarfile.open(tar_path(tmp_path, 0)) as tar:
        members = tar.getmembers()
    assert [member.name for member in members] == [
        f"00000000{row}.{kind}" for row in (0, 2) for kind in ("png", "txt", "json")
    ]
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname) for m in members} == {(0, 0, 0, "", "")}
    assert not any(member.pax_headers for member in members)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_webdataset_reads_our_tars(tmp_path: Path) -> None:
    write_three(tmp_path)
    reader = webdataset.WebDataset(str(tar_path(tmp_path, 0)), shardshuffle=False)
    samples = list(reader)
    assert [sample["__key__"] for sample in samples] == ["000000000", "000000002"]
    assert samples[1]["png"] == picture(30)
    assert samples[1]["txt"].decode() == 'snow, "Ü" \n日本'
    row = json.loads(samples[1]["json"])
    assert row == read_rows(tmp_path).row(2, named=True)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), st.booleans()),
        max_size=6,
    )
)
def test_round_trip_of_any_rows(
    tmp_path_factory: pytest.TempPathFactory, samples: list[tuple[str, bool]]
) -> None:
    folder = tmp_path_factory.mktemp("round")
    failed = {row for row, (_, success) in enumerate(samples) if not success}
    rows = images_table([prompt for prompt, _ in samples], failed)
    encoded = [None if row in failed else picture(row) for row in range(len(samples))]
    write_shard(folder, 12, rows, encoded, "png")
    found = read_rows(folder)
    filled = ["key", "shard", "sha256"]
    assert_frame_equal(found.drop(filled), rows.drop(filled))
    images = dict(iterate_images(folder, 12))
    wanted = zip(found["key"], encoded, strict=True)
    assert images == {key: content for key, content in wanted if content is not None}
    verify(folder)
    write_shard(folder, 12, found, encoded, "png")
    assert_frame_equal(read_rows(folder), found)


def test_rows_and_pictures_that_disagree_are_refused(tmp_path: Path) -> None:
    rows = images_table(["a", "b"])
    two: list[bytes | None] = [picture(1), picture(2)]
    with pytest.raises(CorpusError, match="2 rows but 1 pictures"):
        write_shard(tmp_path, 0, rows, two[:1], "png")
    with pytest.raises(CorpusError, match="status success"):
        write_shard(tmp_path, 0, rows, [picture(1), None], "png")
    with pytest.raises(CorpusError, match="got 'exe'"):
        write_shard(tmp_path, 0, rows, two, "exe")
    with pytest.raises(CorpusError, match="column prompt is missing"):
        write_shard(tmp_path, 0, rows.drop("prompt"), two, "png")
    with pytest.raises(CorpusError, match="keys must be 000000000"):
        write_shard(tmp_path, 0, rows.with_columns(pl.lit("x").alias("key")), two, "png")
    with pytest.raises(CorpusError, match="without a prompt"):
        no_prompt = rows.with_columns(pl.lit(None, pl.String).alias("prompt"))
        write_shard(tmp_path, 0, no_prompt, two, "png")
    with pytest.raises(CorpusError, match="below 100000"):
        write_shard(tmp_path, 100_000, rows, two, "png")
    assert list(tmp_path.iterdir()) == []


def test_more_than_10_000_rows_are_refused(tmp_path: Path) -> None:
    rows = pl.concat([images_table(["a"], {0})] * 10_001)
    write_shard(tmp_path, 0, rows.head(10_000), [None] * 10_000, "png")
    assert read_rows(tmp_path)["key"][-1] == "000009999"
    with pytest.raises(CorpusError, match="below 10000, got 1 and 10000"):
        write_shard(tmp_path, 1, rows, [None] * 10_001, "png")


def test_what_a_kill_leaves_is_not_done_and_is_written_again(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    write_three(whole)
    killed = tmp_path / "killed"
    killed.mkdir()
    left_by_a_kill(killed / "00000.tar", b"half a tar")
    assert not is_done(killed, 0)
    tar_path(killed, 0).write_bytes(tar_path(whole, 0).read_bytes()[:700])
    parquet_path(killed, 0).write_bytes(b"PAR1")
    left_by_a_kill(killed / "00000_stats.json", b"{")
    assert pending(killed, range(3)) == [0, 1, 2]
    with pytest.raises(CorpusError, match="no finished shard"):
        read_rows(killed)
    write_three(killed)
    assert digests(killed) == digests(whole)
    assert pending(killed, [2, 0, 1]) == [2, 1]


def test_a_failed_rewrite_leaves_the_shard_not_done(tmp_path: Path) -> None:
    write_three(tmp_path)
    parquet_path(tmp_path, 0).unlink()
    parquet_path(tmp_path, 0).mkdir()  # the table cannot be put in place
    with pytest.raises(UnpromptError, match="cannot write .*parquet"):
        write_three(tmp_path)
    assert not is_done(tmp_path, 0)
    assert not stats_path(tmp_path, 0).exists()


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("a file")
    with pytest.raises(UnpromptError, match="cannot write"):
        write_three(tmp_path / "images")


def test_deleting_the_tar_makes_the_shard_pending(tmp_path: Path) -> None:
    write_three(tmp_path, 0)
    write_three(tmp_path, 1)
    tar_path(tmp_path, 0).unlink()
    assert pending(tmp_path, [0, 1]) == [0]
    assert done_shards(tmp_path) == [1]
    assert read_rows(tmp_path)["shard"].unique().to_list() == [1]


def test_verify_names_every_fault_at_once(tmp_path: Path) -> None:
    for shard in range(2):
        write_three(tmp_path, shard)
    stats_path(tmp_path, 0).write_text("{")
    tar_path(tmp_path, 1).write_bytes(b"")
    with pytest.raises(DamagedFileError, match=r"00000_stats\.json.*00001\.tar does not match"):
        verify(tmp_path)


@pytest.mark.parametrize("name", ["00001.tar", "00001.parquet"])
def test_verify_names_the_damaged_file(tmp_path: Path, name: str) -> None:
    for shard in range(3):
        write_three(tmp_path, shard)
    verify(tmp_path)
    content = bytearray((tmp_path / name).read_bytes())
    content[600] ^= 1
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DamagedFileError, match=rf"{name} does not match.*unprompt build") as error:
        verify(tmp_path)
    assert "00000." not in str(error.value) and "00002." not in str(error.value)


def test_a_tar_cut_anywhere_gives_what_is_whole_then_raises(tmp_path: Path) -> None:
    write_three(tmp_path)
    path = tar_path(tmp_path, 0)
    content = path.read_bytes()
    with tarfile.open(path) as tar:
        ends = [m.offset_data + m.size for m in tar.getmembers() if m.name.endswith("png")]
        boundary = [m.offset for m in tar.getmembers()][3]
        last = tar.getmembers()[-1]
    end = last.offset_data + -(-last.size // 512) * 512
    for cut in (0, 100, 512, ends[0], boundary, boundary + 300, ends[1] - 1, end):
        path.write_bytes(content[:cut])
        found = []
        with pytest.raises(
            DamagedFileError, match=r"00000\.tar .*unprompt build.*img2dataset, delete"
        ):
            for key, image in iterate_images(tmp_path, 0):
                found.append((key, image))
        assert len(found) == sum(cut >= end for end in ends)
        with pytest.raises(DamagedFileError, match=r"00000\.tar does not match"):
            verify(tmp_path)
    path.write_bytes(content[:boundary] + b"\xff" * 512 + content[boundary + 512 :])
    with pytest.raises(DamagedFileError, match="broken"):
        list(iterate_images(tmp_path, 0))


def test_damaged_table_is_named(tmp_path: Path) -> None:
    write_three(tmp_path)
    parquet_path(tmp_path, 0).write_bytes(b"PAR1 but no more")
    with pytest.raises(DamagedFileError, match=r"00000\.parquet is not a readable table"):
        read_rows(tmp_path)


def write_img2dataset(folder: Path, caption: bool = True) -> None:
    """What `img2dataset --output_format webdataset` leaves behind for three urls."""
    folder.mkdir(exist_ok=True)
    table = pl.DataFrame(
        {
            "url": ["http://a/1.jpg", "http://a/2.jpg", "http://a/3.jpg"],
            "caption": ["a red fox", "a blue house", None],
            "key": ["000020000", "000020001", "000020002"],
            "status": ["success", "failed_to_download", "success"],
            "error_message": [None, "HTTP Error 404: Not Found", None],
            "width": [3, None, 3],
            "height": [2, None, 2],
            "original_width": [900, None, 900],
            "exif": ["{}", None, "{}"],
            "sha256": ["ab" * 32, None, "cd" * 32],
        }
    )
    (table if caption else table.drop("caption")).write_parquet(folder / "00002.parquet")
    jpeg = encode_picture(np.full((2, 3, 3), 77, np.uint8), "jpg")
    members = [
        ("000020000.jpg", jpeg),
        ("000020000.json", b'{"caption": "a red fox"}'),
        ("000020000.txt", b"a red fox"),
        ("000020002.jpg", jpeg),
        ("000020002.json", b'{"caption": null}'),
    ]
    with tarfile.open(folder / "00002.tar", "w") as tar:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.uname = len(content), 1_700_000_000, "bigdata"
            tar.addfile(entry, io.BytesIO(content))
    stats = {"count": 3, "successes": 2, "failed_to_download": 1, "duration": 1.5}
    (folder / "00002_stats.json").write_text(json.dumps(stats))


@pytest.mark.parametrize("caption", [True, False])
def test_img2dataset_shard_is_read(tmp_path: Path, caption: bool) -> None:
    write_img2dataset(tmp_path, caption)
    rows = read_rows(tmp_path)
    assert rows.schema == IMAGES
    first = rows.row(0, named=True)
    assert first["image_id"] == rows["image_id"][0] != rows["image_id"][2]
    assert first | {"image_id": 0} == {
        "key": "000020000",
        "image_id": 0,
        "prompt_id": stable_id("a red fox"),
        "prompt": "a red fox",
        "split": "train",
        "seed": 0,
        "generator": "unknown",
        "settings": "{}",
        "shard": 2,
        "sha256": "ab" * 32,
        "width": 3,
        "height": 2,
        "status": "success",
        "error_message": None,
    }
    failed = failed_rows(tmp_path)
    assert failed["error_message"][0] == "HTTP Error 404: Not Found"
    assert "no prompt" in failed["error_message"][1]
    keys = [key for key, image in iterate_images(tmp_path, 2) if open_picture(image, key)]
    assert keys == ["000020000", "000020002"]
    assert open_picture(ImageShards(tmp_path).image("000020002"), "x").size == (3, 2)
    verify(tmp_path)


def test_ours_and_img2datasets_lie_side_by_side(tmp_path: Path) -> None:
    write_img2dataset(tmp_path)
    write_three(tmp_path, 0)
    assert done_shards(tmp_path) == [0, 2]
    assert read_rows(tmp_path)["key"].to_list() == [
        *("000000000", "000000001", "000000002"),
        *("000020000", "000020001", "000020002"),
    ]


def test_cut_img2dataset_shard_fails_verification(tmp_path: Path) -> None:
    write_img2dataset(tmp_path)
    path = tar_path(tmp_path, 2)
    path.write_bytes(path.read_bytes()[:1400])
    with pytest.raises(DamagedFileError, match=r"00002\.tar is not a whole"):
        verify(tmp_path)


def test_foreign_table_without_keys_is_refused(tmp_path: Path) -> None:
    write_img2dataset(tmp_path)
    pl.DataFrame({"image": ["x"]}).write_parquet(parquet_path(tmp_path, 2))
    with pytest.raises(CorpusError, match=r"00002\.parquet has no column key and no column status"):
        read_rows(tmp_path)


def test_folder_without_shards(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(CorpusError, match="no finished shard in"):
            read_rows(folder)
    assert pending(tmp_path / "missing", [0]) == [0]
