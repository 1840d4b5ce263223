"""Tables of prompts as people write them: csv without quotes or header, json, lists, structs."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from unprompt.build.corpus.sources.collection import CollectionConfig
from unprompt.build.corpus.sources.filters import keep_rows
from unprompt.build.corpus.sources.kinds import find_kind
from unprompt.build.corpus.sources.prompt_files import read_prompts
from unprompt.index.base.errors import CorpusError
from unprompt.index.formats.tally import Tally


def read(folder: Path, name: str, content: str | bytes, column: str | None = None) -> list[str]:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_prompts([path], column).table["prompt"].to_list()


@pytest.mark.parametrize(
    ("content", "prompts"),
    [
        ("id,prompt\n1,a red fox, running, at dawn\n2,a whale\n",
         ["a red fox, running, at dawn", "a whale"]),
        ("id,prompt,width\n1,a fox, at dawn,512\n2,a whale,64\n", ["a fox, at dawn", "a whale"]),
        ('id,prompt\n1,"a fox, at dawn"\n2,a whale,,\n', ["a fox, at dawn", "a whale"]),
        ("prompt\na fox, at dawn\n", ["a fox, at dawn"]),
        ("a red fox\na blue whale\na tiny teapot\n",
         ["a red fox", "a blue whale", "a tiny teapot"]),
        ("a red fox, at dawn\na whale\n", ["a red fox, at dawn", "a whale"]),
        ("1,a red fox\n2,a blue whale\n", ["a red fox", "a blue whale"]),
        ("http://x/1.jpg,a red fox\nhttp://x/2.jpg,a whale\n", ["a red fox", "a whale"]),
        ("id|prompt\n1|a red fox\n2|a whale, blue\n", ["a red fox", "a whale, blue"]),
        ("1|a red fox, at dawn\n2|a whale\n", ["a red fox, at dawn", "a whale"]),
        ("prompt\na cat | a dog\n", ["a cat | a dog"]),
        ("\n\nid;prompt\n1;a red fox\n", ["a red fox"]),
        ("sep=;\nid;prompt\n1;a red fox, at dawn\n", ["a red fox, at dawn"]),
        ('"prompt"\n"1","a red fox"\n"2","a whale"\n', ["a red fox", "a whale"]),
        ("Image Prompt\na red fox\n", ["a red fox"]),
        ('id,prompts\n1,"[""a red fox"", ""a fox""]"\n', ["a red fox", "a fox"]),
        ("id,captions\n1,\"['a red fox', 'a fox']\"\n", ["a red fox", "a fox"]),
        ("id,prompt\n1,a\x00b c\n", ["a\x00b c"]),
    ],
)  # fmt: skip
def test_csv_as_people_write_it(tmp_path: Path, content: str, prompts: list[str]) -> None:
    assert read(tmp_path, "p.csv", content) == prompts


def test_a_named_column_of_a_table_without_header(tmp_path: Path) -> None:
    content = "7,a red fox at dawn,oil\n8,a whale in the sea,ink\n"
    assert read(tmp_path, "p.csv", content, "column_3") == ["oil", "ink"]
    assert read(tmp_path, "p.tsv", content.replace(",", "\t")) == [
        "a red fox at dawn",
        "a whale in the sea",
    ]


@pytest.mark.parametrize(
    ("document", "column"),
    [
        ([{"prompt": "a"}, {"prompt": "b"}], None),
        ({"1.png": {"prompt": "a"}, "2.png": {"prompt": "b"}}, None),
        ({"1.png": "a", "2.png": "b"}, None),
        ({"info": {"v": 1}, "items": [{"id": 1, "meta": {"prompt": "a"}},
                                      {"id": 2, "meta": {"prompt": "b"}}]}, None),
        ([{"id": 1, "meta": {"prompt": "a", "note": "x"}}, {"meta": {"prompt": "b"}}],
         "meta.prompt"),
        ([{"caption": ["a", "b"]}], None),
        ([{"id": 1}, {"prompt": "a"}, {"prompt": "b", "id": 2}], None),
        (["a", "b"], None),
    ],
)  # fmt: skip
def test_json_documents(tmp_path: Path, document: Any, column: str | None) -> None:
    assert read(tmp_path, "p.json", json.dumps(document), column) == ["a", "b"]
    if isinstance(document, list):
        lines = "\n".join(json.dumps(item) for item in document)
        assert read(tmp_path, "p.jsonl", lines, column) == ["a", "b"]


def test_a_damaged_json_document_is_named(tmp_path: Path) -> None:
    for content in ('{"a": ', "[" * 100_000, "7"):
        with pytest.raises(CorpusError, match=r"p\.json (is not valid JSON|holds no array)"):
            read(tmp_path, "p.json", content)


@pytest.mark.parametrize(
    ("values", "dtype", "column"),
    [
        (["a", "b"], pl.Categorical, None),
        (["a", "b"], pl.Enum(["a", "b"]), None),
        ([b"a", b"b"], pl.Binary, None),
        ([["a"], ["b", " "]], pl.List(pl.String), None),
        ([["a", "b"], None], pl.List(pl.String), None),
        ([{"lang": "en", "text": "a"}, {"lang": "en", "text": "b"}], None, None),
        ([{"x": "1", "y": "a"}, {"x": "2", "y": "b"}], None, "prompt.y"),
        ([[{"raw": "a"}, {"raw": "b"}], []], None, None),
    ],
)
def test_parquet_columns_of_any_type(
    tmp_path: Path, values: list[Any], dtype: Any, column: str | None
) -> None:
    path = tmp_path / "p.parquet"
    pl.DataFrame({"n": [1, 2], "prompt": pl.Series(values, dtype=dtype)}).write_parquet(path)
    assert read_prompts([path], column).table["prompt"].to_list() == ["a", "b"]


def test_first_takes_one_text_of_a_row(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    pl.DataFrame({"TEXT": [["a", "b"], ["c"]]}).write_parquet(path)
    assert read_prompts([path], captions="first").table["prompt"].to_list() == ["a", "c"]
    config = CollectionConfig(kind="laion", path=str(path), column="TEXT", captions="first")
    (frame,) = find_kind("laion").read(path, config, Tally())
    assert frame["prompt"].to_list() == ["a", "c"]


def test_nsfw_scores_as_words(tmp_path: Path) -> None:
    path = tmp_path / "part-0.parquet"
    words = ["UNLIKELY", "NSFW", "unsure", None, "odd", "0.2"]
    pl.DataFrame({"TEXT": list("abcdef"), "NSFW": words}).write_parquet(path)
    config = CollectionConfig(kind="laion", path=str(path), max_image_nsfw=0.4)
    tally = Tally()
    (frame,) = find_kind("laion").read(path, config, tally)
    assert keep_rows(frame, config, tally)["prompt"].to_list() == ["a", "f"]
    assert tally.dropped == {"no image_nsfw": 2, "max_image_nsfw": 2}


def test_latin_1_is_read_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_bytes("id,prompt\n1,caf\u00e9 na\u00efve\n".encode("latin-1"))
    found = read_prompts([path])
    assert found.table["prompt"].to_list() == ["caf\u00e9 na\u00efve"]
    assert found.report["undecodable"] == 1
