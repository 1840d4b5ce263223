"""Every kind of collection in its published layout; sampling, the cache, damaged files."""

import gzip
import json
import os
import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_collections import USER, WRITERS, Found, delimited, diffusiondb_table, write

from unprompt.build.corpus.config import CorpusConfig
from unprompt.build.corpus.sources.collect import collect
from unprompt.build.corpus.sources.collection import CollectionConfig
from unprompt.build.corpus.sources.draw import PromptDraw
from unprompt.build.corpus.sources.kinds import KINDS, check_collection
from unprompt.index.base.errors import ConfigError, CorpusError, MissingDependencyError
from unprompt.index.base.settings import read_settings
from unprompt.index.captions.normalize import normalize
from unprompt.index.formats import json_items
from unprompt.index.formats.json_items import stream_items
from unprompt.index.formats.rows import BATCH, pick_prompt
from unprompt.index.formats.tables import stream_table
from unprompt.index.formats.tally import Tally


def entry(found: Found, **changes: Any) -> CollectionConfig:
    return read_settings(
        CollectionConfig, {**found.settings, "path": str(found.path), **changes}, "entry"
    )


def prompts_of(config: CollectionConfig, cache: Path) -> list[str]:
    return collect([config], cache)[0]["prompt"].to_list()


def table_of(folder: Path, count: int, name: str = "a.txt", start: int = 0) -> Path:
    return write(folder / name, "".join(f"prompt {n}\n" for n in range(start, start + count)))


def test_every_kind_is_tried(tmp_path: Path) -> None:
    tried = set()
    for name, writer in WRITERS.items():
        (tmp_path / name).mkdir()
        tried.add(writer(tmp_path / name).settings["kind"])
    assert tried == set(KINDS)


@pytest.mark.parametrize("name", WRITERS)
def test_a_collection_gives_its_prompts_and_counts(name: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    found = WRITERS[name](tmp_path / "in")
    config = entry(found, name="mine")
    check_collection(config)
    table, (report,) = collect([config], tmp_path / "cache")
    assert table["prompt"].to_list() == list(normalize(pl.Series(found.prompts)))
    assert set(table["source"]) == {"mine"}
    assert report["dropped"] == dict(found.dropped)
    assert report["read"] == report["kept"] + sum(report["dropped"].values())
    assert report["kept"] == table.height and report["licence"]
    assert len(report["faults"]) <= 10


def test_nothing_personal_is_written(tmp_path: Path) -> None:
    rows = [("a.png", "a fox", 1, 0.1, 0.1)]
    path = diffusiondb_table(tmp_path / "in" / "metadata.parquet", rows)
    collect([CollectionConfig("diffusiondb", str(path))], tmp_path / "cache")
    written = [file for file in (tmp_path / "cache").iterdir()]
    assert len(written) == 2
    assert not any(USER.encode() in file.read_bytes() for file in written)
    (table,) = (pl.read_parquet(file) for file in written if file.suffix == ".parquet")
    assert table.columns == ["prompt", "prompt_id", "ticket", "group"]


def test_max_rows_draws_the_same_prompts_whatever_the_files_and_their_order(
    tmp_path: Path,
) -> None:
    lines = [f"prompt {number}" for number in range(300)]
    drawn = []
    for seed in (1, 2):
        random.Random(seed).shuffle(lines)
        folder = tmp_path / str(seed)
        for place in range(3):
            text = "\n".join(lines[place::3] + lines[:20])
            write(folder / f"{seed * 7 + place}.txt", text)
        drawn.append(prompts_of(CollectionConfig("file", str(folder), max_rows=40), tmp_path / "s"))
    assert drawn[0] == drawn[1] and len(set(drawn[0])) == 40
    folder = tmp_path / "1"
    fewer = prompts_of(CollectionConfig("file", str(folder), max_rows=10), tmp_path / "s")
    assert fewer == drawn[0][:10]
    other = prompts_of(CollectionConfig("file", str(folder), max_rows=40, seed=1), tmp_path / "s")
    assert other != drawn[0] and set(other) != set(drawn[0])


@settings(max_examples=30, deadline=None)
@given(
    prompts=st.lists(st.text("abcdef", min_size=1, max_size=3), min_size=1, max_size=60),
    limit=st.integers(1, 8),
    cut=st.integers(0, 60),
)
def test_a_draw_ignores_order_and_batches(prompts: list[str], limit: int, cut: int) -> None:
    whole, parts = PromptDraw(limit), PromptDraw(limit)
    whole.add(pl.Series(prompts, dtype=pl.String))
    for piece in (sorted(prompts)[cut:], sorted(prompts)[:cut]):
        parts.add(pl.Series(piece, dtype=pl.String))
        parts.table()
    assert whole.table().equals(parts.table())
    assert whole.table().height == min(limit, len(set(prompts)))
    for draw in (whole, parts):
        assert draw.table().height + draw.repeated + draw.undrawn == len(prompts)


def test_a_draw_keeps_no_more_than_it_needs() -> None:
    draw = PromptDraw(50)
    for start in range(0, 400_000, 20_000):
        draw.add(pl.Series([f"p{number}" for number in range(start, start + 20_000)]))
        assert sum(frame.height for frame in draw._frames) <= 150_000
    assert draw.table().height == 50
    assert draw.undrawn == 399_950


def test_tables_are_streamed(tmp_path: Path) -> None:
    count = BATCH + 10
    pl.DataFrame({"prompt": ["x"] * count}).write_parquet(tmp_path / "a.parquet")
    paths = [
        table_of(tmp_path, count),
        write(tmp_path / "a.csv.gz", "prompt\n" + "x\n" * count),
        write(tmp_path / "a.jsonl", '{"prompt": "x"}\n' * count),
        tmp_path / "a.parquet",
    ]
    for path in paths:
        tally = Tally()
        stream = stream_table(path, pick_prompt(None), tally)
        assert next(stream).height == BATCH and tally.read == BATCH, path
        assert next(stream).height == 10 and next(stream, None) is None


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=80, deadline=None)
@given(
    before=st.dictionaries(st.text(max_size=5), json_values, max_size=3),
    items=st.lists(json_values, max_size=5),
    piece=st.integers(1, 40),
    indent=st.sampled_from([None, 1]),
    ascii_only=st.booleans(),
)
def test_items_of_a_nested_array_are_those_that_json_reads(
    tmp_path_factory: pytest.TempPathFactory,
    before: dict[str, Any],
    items: list[Any],
    piece: int,
    indent: int | None,
    ascii_only: bool,
) -> None:
    before.pop("annotations", None)
    document = {**before, "annotations": items, "after": [1]}
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only)
    path = tmp_path_factory.mktemp("json") / "a.json"
    path.write_bytes(text.encode("utf-8"))
    whole = json.loads(path.read_text("utf-8"), parse_float=Decimal)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_items, "BUFFER_BYTES", piece)
        assert list(stream_items(path, "annotations")) == whole["annotations"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"annotations": [{"caption": "a"}, {"capt', "not valid JSON, after item 1 of 'annotat"),
        ('{"annotations": [{"caption": "a"}', "not valid JSON, after item 1 .*fetch the file"),
        ('{"annotations": [1 2]}', r"not valid JSON, after item 1 .*\[1 2\]"),
        ("[1, 2]", "no array 'annotations'; its top-level keys are: none"),
        ('{"images": []}', "no array 'annotations'; its top-level keys are: images"),
        ('{"annotations": 1}', "no array 'annotations'; its top-level keys are: annotations"),
        ("", "not valid JSON, after item 0"),
    ],
)
def test_a_damaged_document_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path / "captions_x.json", text.encode("utf-8", "surrogateescape"))
    with pytest.raises(CorpusError, match=rf"captions_x\.json.*{said}"):
        prompts_of(CollectionConfig("coco", str(path)), tmp_path / "cache")


@pytest.mark.parametrize("packed", [False, True])
def test_bytes_that_are_not_utf8_cost_no_other_caption(tmp_path: Path, packed: bool) -> None:
    captions = ["a caf\u00e9", "bad \udcff byte", "two \udc80\udcfe", "fine"]
    items = ", ".join(f'{{"caption": "{caption}"}}' for caption in captions)
    path = tmp_path / ("captions_x.json.gz" if packed else "captions_x.json")
    content = f'{{"annotations": [{items}]}}'.encode("utf-8", "surrogateescape")
    path.write_bytes(gzip.compress(content) if packed else content)
    assert [item["caption"] for item in stream_items(path, "annotations")] == captions
    table, report = collect([CollectionConfig("coco", str(path))], tmp_path / "spool")
    assert set(table["prompt"]) == {"a caf\u00e9", "bad \u00ff byte", "two \u20ac\u00fe", "fine"}
    assert report[0]["undecodable"] == 2


def test_items_lie_behind_a_byte_order_mark_in_a_gz_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json.gz", '\ufeff{"annotations": ["caf\u00e9", 2]}')
    assert list(stream_items(path, "annotations")) == ["caf\u00e9", 2]


csv_text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)


@settings(max_examples=40, deadline=None)
@given(prompts=st.lists(csv_text, max_size=8), packed=st.booleans())
def test_what_csv_writes_comes_back(
    tmp_path_factory: pytest.TempPathFactory, prompts: list[str], packed: bool
) -> None:
    rows = [["id", "prompt"], *([number, prompt] for number, prompt in enumerate(prompts))]
    path = tmp_path_factory.mktemp("csv") / ("a.csv.gz" if packed else "a.csv")
    write(path, delimited(rows))
    frames = list(stream_table(path, pick_prompt(None), Tally()))
    assert [prompt for frame in frames for prompt in frame["prompt"]] == prompts


def test_a_killed_collection_reads_no_finished_group_twice(tmp_path: Path) -> None:
    path, cache = table_of(tmp_path, 40), tmp_path / "cache"
    config = CollectionConfig("file", str(path), max_rows=7)
    first, reports = collect([config], cache)
    stat = path.stat()
    path.write_bytes(b"x" * stat.st_size)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    again, counted = collect([config], cache)
    assert again.equals(first) and counted == reports
    renamed = collect([CollectionConfig("file", str(path), name="other", max_rows=7)], cache)[0]
    assert renamed["prompt"].equals(first["prompt"]) and set(renamed["source"]) == {"other"}
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert prompts_of(config, cache) == ["x" * stat.st_size]


def test_a_half_written_cache_is_ignored(tmp_path: Path) -> None:
    path, cache = table_of(tmp_path, 10), tmp_path / "cache"
    config = CollectionConfig("file", str(path))
    whole = prompts_of(config, cache)
    (marker,) = cache.glob("*.json")
    marker.unlink()
    (table,) = cache.glob("*.parquet")
    table.write_bytes(b"cut")
    assert prompts_of(config, cache) == whole


def test_all_collections_are_searched_before_the_first_is_read(tmp_path: Path) -> None:
    path, cache = table_of(tmp_path, 10), tmp_path / "cache"
    missing = CollectionConfig("coco", str(tmp_path / "none"))
    with pytest.raises(CorpusError, match=r"there is no .*none; the kind coco wants captions_"):
        collect([CollectionConfig("file", str(path)), missing], cache)
    assert not cache.exists()


def test_collections_keep_their_order_and_their_names(tmp_path: Path) -> None:
    one, two = table_of(tmp_path, 2), table_of(tmp_path, 3, "b.txt", start=1)
    configs = [CollectionConfig("file", str(two)), CollectionConfig("file", str(one), name="one")]
    table, reports = collect(configs, tmp_path / "cache")
    assert table["prompt", "source"].rows() == [
        ("prompt 1", "file"), ("prompt 2", "file"), ("prompt 3", "file"),
        ("prompt 0", "one"), ("prompt 1", "one"),
    ]  # fmt: skip
    assert [report["source"] for report in reports] == ["file", "one"]


def cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-20])
    return path


def write_parquet(path: Path, **columns: Any) -> Path:
    pl.DataFrame(columns).write_parquet(path)
    return path


@pytest.mark.parametrize(
    ("kind", "make", "said"),
    [
        ("file", lambda d: write(d / "a.csv", ""), "is empty"),
        ("file", lambda d: write(d / "a.csv", "n,m\n1,2\n"), "no column prompt or caption or text"),
        ("file", lambda d: write(d / "a.txt", " \n"), "gives no prompt: 1 rows read, dropped 1 bl"),
        ("file", lambda d: write(d / "a.doc", "x"), "unknown suffix '.doc'"),
        ("file", lambda d: cut(write(d / "a.txt.gz", "abc\n" * 99)), "not a complete .gz file"),
        ("file", lambda d: write(d / "a.parquet", "no"), "not a readable parquet"),
        ("file", lambda d: d, "holds none of the files"),
        (
            "coyo",
            lambda d: write_parquet(d / "a.parquet", text=["a"]),
            "clip_similarity_vitb32 for",
        ),
        ("coyo", lambda d: write_parquet(d / "a.parquet", txt=["a"]), "no column text for the pro"),
        ("laion", lambda d: write_parquet(d / "a.parquet", TEXT=[1]), "holds Int64, wanted text"),
        ("wit", lambda d: write(d / "wit_a.tsv", "language\ten\n"), "no column caption_reference"),
        ("flickr30k", lambda d: write(d / "a.csv", "a;b\n"), "in none of the layouts of Flickr30k"),
        ("textcaps", lambda d: write(d / "a.json", '{"data": []}'), "gives no prompt: 0 rows"),
        (
            "localized_narratives",
            lambda d: write(d / "a.jsonl", '{"x": 1}'),
            "no column caption for the",
        ),
        (
            "diffusiondb",
            lambda d: write(d / "part-1.zip", "no"),
            "gives no prompt.*not a complete part",
        ),
        ("diffusiondb", lambda d: write_parquet(d / "metadata.parquet", x=[1]), "no column prompt"),
        ("webdataset", lambda d: write(d / "a.tar", "no tar"), "gives no prompt.*not a whole"),
        ("image_folder", lambda d: d, "no pictures in"),
        ("image_folder", lambda d: d / "none", "there is no folder"),
        (
            "image_parquet",
            lambda d: write_parquet(d / "a.parquet", prompt=["a"]),
            "no column of pic",
        ),
        ("huggingface", lambda d: d / "none", "there is no folder"),
        ("huggingface", lambda d: d, "cannot read the dataset"),
        ("clip_retrieval", lambda d: d, "not a complete folder of clip-retrieval, no v"),
    ],
)
def test_what_cannot_be_read_is_named(
    tmp_path: Path, kind: str, make: Callable[[Path], Path], said: str
) -> None:
    (tmp_path / "in").mkdir()
    path = make(tmp_path / "in")
    similarity = 0.3 if kind == "coyo" else None
    config = CollectionConfig(kind, str(path), min_similarity=similarity)
    with pytest.raises(CorpusError, match=rf"(?s){tmp_path.name}.*{said}|{said}.*{tmp_path.name}"):
        collect([config], tmp_path / "cache")


def test_scores_of_parts_come_from_the_metadata(tmp_path: Path) -> None:
    found = WRITERS["diffusiondb_parts"](tmp_path)
    config = entry(found, max_prompt_nsfw=0.5)
    with pytest.raises(CorpusError, match="hold no prompt_nsfw; put metadata.parquet into"):
        collect([config], tmp_path / "cache")
    rows = [("a.png", "a fox", 1, 0.1, 0.9), ("c.webp", "two owls", 2, 0.1, 0.1)]
    table = diffusiondb_table(tmp_path / "elsewhere" / "scores.parquet", rows)
    config = entry(found, max_prompt_nsfw=0.5, metadata=str(table))
    got, (report,) = collect([config], tmp_path / "cache")
    assert got["prompt"].to_list() == ["two owls"]
    assert report["dropped"]["max_prompt_nsfw"] == 1


@pytest.mark.parametrize(
    ("corpus", "said"),
    [
        ({"source": "collections"}, "needs corpus.collections"),
        (
            {"source": "scenes", "collections": [{"kind": "coco", "path": "x"}]},
            "reads no corpus.col",
        ),
        (
            {"collections": [{"kind": "coko", "path": "x"}]},
            "unknown kind 'coko'; known kinds are dif",
        ),
        ({"collections": [{"kind": "coco"}]}, "the kind coco needs a `path`: captions_train2017"),
        (
            {"collections": [{"kind": "coco", "path": "x", "min_similarity": 0.3}]},
            "does not take min",
        ),
        (
            {"collections": [{"kind": "coco", "path": "x", "max_rows": 0}]},
            "max_rows .* must be >= 1",
        ),
        ({"collections": [{"kind": "coco", "path": "x", "thing": 1}]}, "thing: Unexpected keyword"),
        (
            {"source": "pairs", "collections": [{"kind": "coco", "path": "x"}]},
            "kind coco has none",
        ),
        (
            {"source": "embeddings", "collections": [{"kind": "coco", "path": "x"}]},
            "takes one collec",
        ),
    ],
)
def test_settings_that_cannot_work(corpus: dict[str, Any], said: str) -> None:
    settings = {"source": "collections", **corpus}
    with pytest.raises(ConfigError, match=said):
        read_settings(CorpusConfig, settings, "corpus")


def test_without_datasets_the_install_line_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'unprompt\[hub\]'"):
        collect([CollectionConfig("huggingface", str(tmp_path))], tmp_path / "cache")


def test_the_hub_is_reached_only_by_name(tmp_path: Path) -> None:
    """The tests run offline: a name on the hub fails, a folder is read."""
    with pytest.raises(CorpusError, match="hub:nobody/nothing .*without a network, name a `path`"):
        collect([CollectionConfig("huggingface", hub="nobody/nothing")], tmp_path / "cache")


def test_the_digest_of_the_starter_corpus_is_stable() -> None:
    """The starter's tower records this digest of the corpus that it was trained on."""
    from unprompt.ui.jobs.config import load_config

    digest = load_config("starter").build.corpus.held_out_digest
    assert digest == "fb1ec45d34cd724a1dc69b2e7cb96d2ba8e2ffb730001284a36e1b80a0ad45e3"
