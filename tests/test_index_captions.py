"""Values in which people store captions -> texts; names and columns of captions."""

import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unprompt.index.captions.columns import holds_texts, row_each
from unprompt.index.captions.left_out import say_left_out
from unprompt.index.captions.names import field_of, fields_below, find_name, keys_below
from unprompt.index.captions.texts import MOST, decode_text, follow, mend_bytes, texts_of


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        (" a fox ", ["a fox"]),
        ("", []),
        (None, []),
        (7, []),
        (float("nan"), []),
        (b"a fox", ["a fox"]),
        ("caf\u00e9".encode("latin-1"), ["caf\u00e9"]),
        (["a", None, " ", "b"], ["a", "b"]),
        ([["a"], ("b",)], ["a", "b"]),
        ({"caption": "a", "url": "u"}, ["a"]),
        ({"TEXT": "a"}, ["a"]),
        ({"prompt": "a", "caption": "b"}, ["a"]),
        ({"prompt": None, "caption": "b"}, ["b"]),
        ({"meta": {"prompt": "a", "seed": 1}, "id": 3}, ["a"]),
        ([{"raw": "a", "tokens": ["x"]}, {"raw": "b"}], ["a", "b"]),
        ({"odd": "a"}, ["a"]),
        ({"odd": "a", "other": "b"}, []),
        ('["a", "b"]', ["a", "b"]),
        ("['a', \"b\"]", ["a", "b"]),
        ('{"prompt": "a"}', ["a"]),
        (b'{"prompt": ["a", "b"]}', ["a", "b"]),
        ("[a | b], (c:1.2)", ["[a | b], (c:1.2)"]),
        ("[cat, dog]", ["[cat, dog]"]),
        ("{a|b} fox", ["{a|b} fox"]),
        ('["quoted" text]', ['["quoted" text]']),
        ('{"x": 1}', ['{"x": 1}']),
    ],
)
def test_texts_of_a_value(value: Any, texts: list[str]) -> None:
    assert texts_of(value) == texts


def test_a_field_is_named_with_dots() -> None:
    value = {"meta": {"a.b": "x", "en": {"long": "y"}}, "flat.name": "z"}
    assert texts_of(value, "meta.en.long") == ["y"]
    assert texts_of(value, "meta.a.b") == ["x"]
    assert texts_of(value, "flat.name") == ["z"]
    assert texts_of(json.dumps(value), "meta.en") == ["y"] and follow(value, "no.such") is None
    assert follow({"meta": json.dumps({"prompt": "p"})}, "meta.prompt") == "p"


def test_depth_and_number_are_bounded() -> None:
    deep: Any = "a"
    for _ in range(10_000):
        deep = [deep]
    assert texts_of(deep) == []
    assert len(texts_of(["a"] * 10 * MOST)) == MOST
    assert texts_of("[" * 100_000 + '"a"') == ["[" * 100_000 + '"a"']


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=12,
    )
)
def test_any_value_gives_texts_that_can_be_stored(value: Any) -> None:
    for text in texts_of(value):
        assert text.strip()
        mend_bytes(text).encode()


def test_bytes_become_text() -> None:
    assert decode_text("\ufeffa \u65e5".encode()) == "a \u65e5"
    assert decode_text("na\u00efve \u2019".encode("cp1252")) == "na\u00efve \u2019"
    assert decode_text("\u65e5 ".encode() + b"\xe9") == "\u65e5 \ufffd"
    assert decode_text("a fox".encode("utf-16")) == "a fox"
    assert mend_bytes("a \ud800") == "a \ufffd"


def test_names_are_found_whole_then_by_their_last_part() -> None:
    names = ["id", "json.Prompt", " TEXT ", "meta.prompt"]
    assert find_name(names, ("prompt", "text")) == " TEXT "
    assert find_name(names, ("prompt",)) == "json.Prompt"
    assert find_name(names, ("meta.prompt",)) == "meta.prompt"
    assert find_name(names, ("caption",)) is None
    assert keys_below({"a": {"b": {"c": 1}}, "d": 2}) == ["a", "d", "a.b", "a.b.c"]


def test_fields_of_structs_are_columns() -> None:
    table = pl.DataFrame({"a.b": ["x"], "a": [{"b": "y", "c": {"d": ["z"]}}]})
    below = fields_below(table.schema)
    assert list(below) == ["a.b", "a", "a.b", "a.c", "a.c.d"] or list(below) == [
        *("a.b", "a", "a.c", "a.c.d"),
    ]
    assert table.select(field_of(table.columns, "a.b")).item() == "x"
    assert table.select(field_of(table.columns, "a.c.d"))["a.c.d"].to_list() == [["z"]]
    kinds = [
        holds_texts(kind) for kind in (pl.Int64(), pl.List(pl.Binary), pl.Struct({"n": pl.Int8}))
    ]
    assert kinds == [False, True, False]


def test_a_row_for_each_text() -> None:
    table = pl.DataFrame({"t": [["a", " "], [], None, ["b", "c"]], "n": [1, 2, 3, 4]})
    rows, added = row_each(table, "t")
    assert (rows.rows(), added) == ([("a", 1), (None, 2), (None, 3), ("b", 4), ("c", 4)], 1)
    assert row_each(table, "t", first=True)[0]["t"].to_list() == ["a", None, None, "b"]
    plain = pl.DataFrame({"t": [" a", '["b", "c"]', "[d]"]})
    assert row_each(plain[[0, 2]], "t")[0]["t"].to_list() == [" a", "[d]"]
    assert row_each(plain, "t")[0]["t"].to_list() == ["a", "b", "c", "[d]"]


def test_what_is_left_out_is_said_in_one_line() -> None:
    rows = [(f"k{n}", f"cannot read k{n}: cut") for n in range(3)] + [("x", "no prompt")]
    assert say_left_out("picture", rows) == (
        "4 pictures left out: 3 cannot read ...: cut (first: k0); 1 no prompt (first: x)"
    )
    assert say_left_out("picture", []) == ""
