"""Image shards as other programs write them: keys, names, captions, and what is left out."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from found_shards import PROMPTS, found_shard, jpeg, write_members

from unprompt.build.keys.shard_vectors import embed_shard
from unprompt.index.base.errors import CorpusError
from unprompt.index.encoders.preprocess import Preprocess
from unprompt.index.encoders.protocols import BulkEncoder
from unprompt.index.images.shard_names import done_shards, incomplete_shards
from unprompt.index.images.shard_pictures import ImageShards, iterate_images
from unprompt.index.images.shards import failed_rows, read_rows


class MeanColor(BulkEncoder):
    """Pictures -> their mean color and a constant, as unit vectors (n, 4)."""

    dim, streams, batch_size, space = 4, 1, 3, "mean color"
    preprocess = Preprocess(image_size=8, mean=(0, 0, 0), std=(1, 1, 1))

    def encode_pixels(self, pixels: np.ndarray) -> np.ndarray:
        means = pixels.reshape(len(pixels), -1, 3).mean(axis=1).astype(np.float32)
        found = np.concatenate([means, np.full((len(means), 1), 9, np.float32)], axis=1)
        return found / np.linalg.norm(found, axis=1, keepdims=True)


def pairs(folder: Path) -> list[tuple[str, str]]:
    """(key, prompt) of the rows that can be used."""
    rows = read_rows(folder).filter(pl.col("status") == "success")
    return rows.select("key", "prompt").rows()


def check(folder: Path, keys: list[str], shard: int = 0) -> None:
    """Table, tar and access by key agree on the keys and pictures of a shard of PROMPTS."""
    assert pairs(folder) == list(zip(keys, PROMPTS, strict=True))
    contents = [jpeg(row) for row in range(len(keys))]
    assert list(iterate_images(folder, shard)) == list(zip(keys, contents, strict=True))
    shards = ImageShards(folder)
    assert [shards.image(key) for key in keys] == contents
    assert {shards.shard_of(key) for key in keys} == {shard}


@pytest.mark.parametrize("stem", ["0", "00", "00000", "000000", "0000003"])
@pytest.mark.parametrize("digits", [1, 2, 3, 4, 6])
def test_names_and_keys_have_any_width(tmp_path: Path, stem: str, digits: int) -> None:
    keys = found_shard(tmp_path, stem, digits=digits)
    assert done_shards(tmp_path) == [int(stem)]
    check(tmp_path, keys, int(stem))


def test_shards_of_five_and_of_six_digits_in_one_folder(tmp_path: Path) -> None:
    for stem in ("00001", "10000", "100000"):
        found_shard(tmp_path, stem)
    assert done_shards(tmp_path) == [1, 10000, 100000]
    shards = ImageShards(tmp_path)
    for key in read_rows(tmp_path)["key"]:
        assert shards.image(key) == jpeg(int(key[-1]))


def test_two_shards_of_one_number_are_refused(tmp_path: Path) -> None:
    found_shard(tmp_path, "00001")
    found_shard(tmp_path, "000001")
    with pytest.raises(CorpusError, match="two shards of one number: 000001, 00001"):
        done_shards(tmp_path)


@pytest.mark.parametrize(
    "keys",
    [
        pl.Series([0, 1, 2, 3], dtype=pl.Int64),
        pl.Series([0, 1, 2, 3], dtype=pl.UInt8),
        pl.Series([0.0, 1.0, 2.0, 3.0]),
        pl.Series(["0", "1", "2", "3"]),
        pl.Series([b"000000000", b"000000001", b"000000002", b"000000003"]),
    ],
    ids=["int", "uint8", "float", "short", "bytes"],
)
def test_keys_that_lost_their_zeros_are_found(tmp_path: Path, keys: pl.Series) -> None:
    check(tmp_path, found_shard(tmp_path, keys=keys))


def test_keys_that_do_not_name_their_shard(tmp_path: Path) -> None:
    """Two shards with the same keys in each; a picture is found in its own."""
    for number in range(2):
        names = [f"img_{row}" for row in range(4)]
        members = [(f"{name}.jpg", jpeg(row + 4 * number)) for row, name in enumerate(names)]
        stem = f"0000{number}"
        found_shard(tmp_path, stem, keys=pl.Series(names))
        write_members(tmp_path / f"{stem}.tar", members)
    shards = ImageShards(tmp_path)
    assert [key for key, _ in pairs(tmp_path)][3:5] == ["00000/img_3", "00001/img_0"]
    assert [shards.image(key) for key, _ in pairs(tmp_path)] == [jpeg(row) for row in range(8)]


LISTS = pl.List(pl.String)
MANY: dict[str, tuple[list[Any], Any]] = {
    "lists": ([[text] for text in PROMPTS], LISTS),
    "bytes": ([text.encode() for text in PROMPTS], pl.Binary),
    "structs": ([{"lang": "en", "caption": text} for text in PROMPTS], None),
    "structs of lists": ([{"id": 3, "raw": [text, " "]} for text in PROMPTS], None),
    "categories": (list(PROMPTS), pl.Categorical),
    "spaces": ([f" {text}\n\x00" for text in PROMPTS], pl.String),
}


@pytest.mark.parametrize("kind", MANY)
@pytest.mark.parametrize("column", ["caption", "TEXT", "captions"])
def test_captions_in_any_type_and_name(tmp_path: Path, kind: str, column: str) -> None:
    values, dtype = MANY[kind]
    captions = pl.Series(values, dtype=dtype)
    check(tmp_path, found_shard(tmp_path, captions=captions, column=column, texts=False))


@pytest.mark.parametrize(
    "facts",
    [
        lambda text: {"caption": text, "key": "k"},
        lambda text: {"TEXT": text},
        lambda text: {"url": "u", "meta": {"prompt": text}},
        lambda text: {"captions": [text]},
    ],
    ids=["caption", "TEXT", "nested", "list"],
)
def test_captions_only_in_the_json(tmp_path: Path, facts: Any) -> None:
    jsons = [facts(text) for text in PROMPTS]
    check(tmp_path, found_shard(tmp_path, column=None, texts=False, jsons=jsons))


def test_all_captions_of_a_picture_are_rows(tmp_path: Path) -> None:
    captions = pl.Series([[text, f"{text} again"] for text in PROMPTS], dtype=LISTS)
    keys = found_shard(tmp_path, captions=captions)
    wanted = [
        (key, own)
        for key, text in zip(keys, PROMPTS, strict=True)
        for own in (text, f"{text} again")
    ]
    assert pairs(tmp_path) == wanted
    rows, vectors = embed_shard(tmp_path, 0, MeanColor())
    assert rows["image_path"].to_list() == [key for key, _ in wanted]
    assert len(vectors) == 8 and (vectors[::2] == vectors[1::2]).all()
    assert rows["image_id"].n_unique() == 8


def left_out(folder: Path) -> dict[str, str]:
    rows, vectors = embed_shard(folder, 0, MeanColor())
    good = rows.filter(pl.col("status") == "success")
    assert good.height == len(vectors)
    failed = rows.filter(pl.col("status") != "success")
    return dict(failed.select("image_path", "error_message").iter_rows())


def test_a_row_without_caption_fails_alone(tmp_path: Path) -> None:
    keys = found_shard(tmp_path, captions=[PROMPTS[0], None, "  ", PROMPTS[3]])
    assert [key for key, _ in pairs(tmp_path)] == [keys[0], keys[3]]
    assert failed_rows(tmp_path)["key"].to_list() == keys[1:3]
    found = left_out(tmp_path)
    assert list(found) == keys[1:3]
    assert all("no prompt" in reason for reason in found.values())


def test_pictures_that_no_row_names_are_told(tmp_path: Path) -> None:
    """A second picture of a key, twice the same name, and a picture that the table lacks."""
    more = [("000000002.png", jpeg(9)), ("000000002.jpg", jpeg(8)), ("999999999.jpg", jpeg(7))]
    keys = found_shard(tmp_path, more=more)
    assert list(left_out(tmp_path)) == ["000000002.png", "000000002.jpg", "00000/999999999"]
    assert ImageShards(tmp_path).image(keys[2]) == jpeg(2)


def test_rows_that_the_tar_lacks_and_damaged_pictures_fail_alone(tmp_path: Path) -> None:
    keys = found_shard(tmp_path, captions=[*PROMPTS, "a lost boat"])
    members = [(f"{key}.jpg", jpeg(row)) for row, key in enumerate(keys[:3])]
    write_members(tmp_path / "00000.tar", [*members, (f"{keys[3]}.jpg", b"\xff\xd8\xff damaged")])
    found = left_out(tmp_path)
    assert list(found) == [keys[3], keys[4]]
    assert "damaged" in found[keys[3]] and "the tar holds none" in found[keys[4]]


def test_incomplete_shards_are_told(tmp_path: Path) -> None:
    found_shard(tmp_path, "00000")
    found_shard(tmp_path, "00001")
    found_shard(tmp_path, "00002")
    (tmp_path / "00001_stats.json").unlink()
    (tmp_path / "00002.parquet").unlink()
    (tmp_path / "00002_stats.json").unlink()
    found_shard(tmp_path, "train-1")
    assert done_shards(tmp_path) == [0]
    assert incomplete_shards(tmp_path) == [
        "00001 without 00001_stats.json",
        "00002 without 00002.parquet and 00002_stats.json",
        "train-1.tar, no number",
    ]
