"""Pairs of pictures and prompts from tars, tables and folders; bad rows are recorded."""

import io
import json
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from unprompt.index.archives.tars import write_tar
from unprompt.index.base.errors import CorpusError, UnreadableImageError
from unprompt.index.pairs.labelled_pairs import (
    iterate_pictures,
    open_labelled_pairs,
    read_labelled_picture,
)
from unprompt.index.pairs.pair_tables import LABELLED


def picture(color: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), color).save(buffer, "PNG")
    return buffer.getvalue()


RED, BLUE = picture("red"), picture("blue")


def shards(folder: Path) -> Path:
    write = [
        ("000000000.png", RED),
        ("000000000.txt", b" a red square \n"),
        ("000000001.png", BLUE),
        ("000000001.json", json.dumps({"caption": "a blue square", "source": "own"}).encode()),
        ("000000002.png", BLUE),
        ("000000003.txt", b"no picture for it"),
    ]
    folder.mkdir(parents=True)
    write_tar(folder / "00000.tar", write)
    return folder


def test_tars_without_a_table(tmp_path: Path) -> None:
    found = open_labelled_pairs(shards(tmp_path / "set"))
    assert found.rows.schema == LABELLED
    assert found.whole["name"].to_list() == ["00000/000000000", "00000/000000001"]
    assert found.whole["prompts"].to_list() == [["a red square"], ["a blue square"]]
    assert found.whole["source"].to_list() == [None, "own"]
    assert [read_labelled_picture(row) for row in found.whole.iter_rows(named=True)] == [RED, BLUE]
    assert found.faulty["fault"].to_list() == [
        "no prompt",
        "no picture: the tar holds none for this row",
    ]


def test_a_table_beside_the_tars_wins(tmp_path: Path) -> None:
    shards(tmp_path / "set")
    pl.DataFrame(
        {
            "key": ["000000000", "000000002", "000000009"],
            "shard": ["00000"] * 3,
            "prompt": [["one", " "], ["two", "three"], ["lost"]],
            "source": ["a", "b", "a"],
            "kind": ["photograph", None, None],
        }
    ).write_parquet(tmp_path / "set.parquet")
    found = open_labelled_pairs(tmp_path / "set")
    by_name = {row["name"]: row for row in found.rows.iter_rows(named=True)}
    assert by_name["00000/000000000"]["prompts"] == ["one"]
    assert by_name["00000/000000000"]["kind"] == "photograph"
    assert by_name["00000/000000001"]["prompts"] == ["a blue square"]
    assert by_name["00000/000000002"]["prompts"] == ["two", "three"]
    assert "holds none" in by_name["00000/9"]["fault"]


def test_kinds_are_the_subfolders_and_keys_may_repeat(tmp_path: Path) -> None:
    for name in ("generated", "photos"):
        shards(tmp_path / name)
    keys = pl.DataFrame({"key": [0, 1], "source": ["x", "y"]})
    keys.write_csv(tmp_path / "photos.csv")
    found = open_labelled_pairs(tmp_path).whole
    assert found["kind"].to_list() == ["generated", "generated", "photos", "photos"]
    assert found["source"].to_list() == [None, "own", "x", "y"], "0 is 000000000"
    assert found["name"].n_unique() == 4


def test_integer_keys_match_names_of_nine_digits(tmp_path: Path) -> None:
    shards(tmp_path / "set")
    pl.DataFrame({"key": [0, 1], "source": ["x", "y"]}).write_parquet(tmp_path / "set.parquet")
    assert open_labelled_pairs(tmp_path / "set").whole["source"].to_list() == ["x", "y"]


def test_a_damaged_tar_gives_its_whole_pairs(tmp_path: Path) -> None:
    folder = shards(tmp_path / "set")
    tar = folder / "00000.tar"
    tar.write_bytes(tar.read_bytes()[:2300])  # two whole members and a part of the third
    found = open_labelled_pairs(folder)
    assert found.whole["prompts"].to_list() == [["a red square"]]
    assert "cut short" in found.faulty["fault"][-1]


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet", "jsonl"])
def test_tables_name_pictures_relative_to_them(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "one.png").write_bytes(RED)
    table = pl.DataFrame(
        {
            "image": ["one.png", "none.png", "one.png"],
            "Prompt": ["a red, plain square", "lost", ""],
            "generator": ["g", "h", "h"],
        }
    )
    path = tmp_path / f"pairs.{suffix}"
    if suffix == "parquet":
        table.write_parquet(path)
    elif suffix == "jsonl":
        table.write_ndjson(path)
    else:
        table.write_csv(path, separator="\t" if suffix == "tsv" else ",")
    found = open_labelled_pairs(path)
    assert found.whole["prompts"].to_list() == [["a red, plain square"]]
    assert found.whole["generator"].to_list() == ["g"]
    assert found.faulty["name"].to_list() == ["none.png", "one.png#2"]


def test_a_folder_of_pictures_with_texts(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    for name, content in (("a.png", RED), ("below/b.png", BLUE), ("c.png", RED)):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "a.txt").write_text("red\n", encoding="utf-8")
    (tmp_path / "below" / "b.txt").write_text("blue", encoding="utf-8")
    found = open_labelled_pairs(tmp_path)
    assert found.whole["name"].to_list() == ["a.png", "below/b.png"]
    assert found.whole["prompts"].to_list() == [["red"], ["blue"]]
    assert found.faulty["fault"].to_list() == ["no prompt: c.txt is not there"]


def test_a_picture_that_is_gone_has_no_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.png").write_bytes(RED)
        (tmp_path / f"{name}.txt").write_text("red", encoding="utf-8")
    rows = open_labelled_pairs(tmp_path).whole
    (tmp_path / "a.png").unlink()
    assert list(iterate_pictures(rows)) == [("a.png", b""), ("b.png", RED)]
    with pytest.raises(UnreadableImageError, match="a.png"):
        read_labelled_picture(rows.row(0, named=True))


def test_other_inputs_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.csv").write_text("one,two\n1,2\n", encoding="utf-8")
    for name, message in (("none", "not there"), ("empty", "no pictures"), ("bad.csv", "column")):
        with pytest.raises(CorpusError, match=message):
            open_labelled_pairs(tmp_path / name)
