"""Readers of prompt files: every format, and every fault of a file."""

import json
from pathlib import Path

import polars as pl
import pytest

from unprompt.build.corpus.sources.prompt_files import RAW_PROMPTS, PromptsRead, read_prompts
from unprompt.index.base.errors import CorpusError

REAL = Path(__file__).parents[2] / "shared" / "data" / "prompts"


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def prompts(read: PromptsRead) -> list[str]:
    return read.table["prompt"].to_list()


def test_formats_come_together_in_one_table(tmp_path: Path) -> None:
    parquet = tmp_path / "e.parquet"
    pl.DataFrame({"n": [1, 2], "Text": ["five", None]}).write_parquet(parquet)
    paths = [
        write(tmp_path, "a.txt", "one\n\nuno\r\n"),
        write(tmp_path, "b.csv", 'id,Caption\n1,"two, and ""more"""\n2,"two\nlines"\n'),
        write(tmp_path, "c.TSV", "id\tPROMPT\n1\tthree\n"),
        write(tmp_path, "d.jsonl", '{"prompt": "four"}\n"plain"\n\n{"prompt": null}\n'),
        parquet,
        write(tmp_path, "f.ndjson", '{"caption": "six"}'),
    ]
    read = read_prompts(paths)
    assert read.table.schema == RAW_PROMPTS
    assert read.table.rows() == [
        ("one", "a.txt"),
        ("uno", "a.txt"),
        ('two, and "more"', "b.csv"),
        ("two\nlines", "b.csv"),
        ("three", "c.TSV"),
        ("four", "d.jsonl"),
        ("plain", "d.jsonl"),
        ("five", "e.parquet"),
        ("six", "f.ndjson"),
    ]
    counts = [read.report[name] for name in ("files", "read", "blank", "malformed")]
    assert counts == [6, 9, 4, 0]


def test_the_column_that_is_read(tmp_path: Path) -> None:
    both = write(tmp_path, "both.csv", "text,prompt,note\nT,P,N\n")
    assert prompts(read_prompts([both])) == ["P"]
    assert prompts(read_prompts([both], "note")) == ["N"]
    assert prompts(read_prompts([both], "NOTE")) == ["N"]
    one = write(tmp_path, "one.csv", "words\nW\n")
    assert prompts(read_prompts([one])) == ["W"]
    semicolons = write(tmp_path, "excel.csv", "id;prompt\n1;a, b\n")
    assert prompts(read_prompts([semicolons])) == ["a, b"]


@pytest.mark.parametrize("name", ["x.csv", "x.tsv", "x.jsonl", "x.parquet"])
@pytest.mark.parametrize("column", [None, "wrong"])
def test_no_such_column_lists_those_there_are(
    tmp_path: Path, name: str, column: str | None
) -> None:
    table, path = pl.DataFrame({"width": ["a"], "height": ["b"]}), tmp_path / name
    if name.endswith("parquet"):
        table.write_parquet(path)
    elif name.endswith("jsonl"):
        table.write_ndjson(path)
    else:
        table.write_csv(path, separator="\t" if name.endswith("tsv") else ",")
    with pytest.raises(CorpusError, match=r"width, height.*`column`"):
        read_prompts([path], column)


@pytest.mark.parametrize("suffix", ["txt", "csv", "tsv", "jsonl"])
def test_byte_order_mark_and_bad_bytes(tmp_path: Path, suffix: str) -> None:
    lines = {"jsonl": '{"prompt": "%s"}\n', "txt": "%s\n"}.get(suffix, "%s\n").encode()
    header = b"prompt\n" if suffix in ("csv", "tsv") else b""
    rows = [lines % text for text in (b"caf\xe9 x", "caf\u00e9".encode(), "real \ufffd".encode())]
    path = write(tmp_path, f"a.{suffix}", b"\xef\xbb\xbf" + header + b"".join(rows))
    read = read_prompts([path])
    assert prompts(read) == ["caf\u00e9 x", "caf\u00e9", "real \ufffd"]
    assert read.report["undecodable"] == 1


def test_json_escapes_that_are_no_characters_are_replaced(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", r'{"prompt": "a \ud800 b"}')
    read = read_prompts([path])
    assert prompts(read) == ["a \ufffd b"]
    assert read.report["undecodable"] == 1


def test_broken_json_lines_are_skipped_and_counted(tmp_path: Path) -> None:
    lines = ['{"prompt": "good"}', '{"prompt": ', '{"other": 1}', '{"prompt": 7}', "[1]"]
    path = write(tmp_path, "a.jsonl", "\n".join([*lines, json.dumps({"prompt": "last"})]))
    read = read_prompts([path])
    assert prompts(read) == ["good", "last"]
    assert read.report["malformed"] == 4
    assert [fault.split(": ")[0] for fault in read.report["faults"]] == [
        f"{path}:{line}" for line in (2, 3, 4, 5)
    ]


def test_only_broken_json_is_an_error_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", "\n{\n")
    with pytest.raises(CorpusError, match=r"a\.jsonl:2: not valid JSON"):
        read_prompts([path])


def test_a_short_row_is_skipped_and_counted(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "id,prompt\n1,a\n2\n3,b\n")
    read = read_prompts([path])
    assert prompts(read) == ["a", "b"]
    assert read.report["faults"] == [f"{path}:3: 1 fields, wanted at least 2"]


@pytest.mark.parametrize(
    ("content", "line"),
    [('prompt\nok\n"open\nmore\n', 4), ('id,prompt\n1,"a"b\n', 2)],
)
def test_broken_quoting_is_an_error_with_its_line(tmp_path: Path, content: str, line: int) -> None:
    with pytest.raises(CorpusError, match=rf"a\.csv:{line}: .*double quotes"):
        read_prompts([write(tmp_path, "a.csv", content)])


def test_tsv_with_and_without_quoting(tmp_path: Path) -> None:
    quoted = write(tmp_path, "quoted.tsv", 'prompt\tn\n"a ""b""\tc"\t1\n')
    assert prompts(read_prompts([quoted])) == ['a "b"\tc']
    plain = write(tmp_path, "plain.tsv", 'prompt\tn\n"HI" on a wall\t1\n')
    assert prompts(read_prompts([plain])) == ['"HI" on a wall']
    broken = write(tmp_path, "broken.tsv", 'prompt\tn\n"HI" on\ta\twall\t1\n')
    with pytest.raises(CorpusError, match=r"broken\.tsv:2"):
        read_prompts([broken])


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", "", "is empty"),
        ("a.txt", " \n\n", "holds no prompt"),
        ("a.csv", "prompt\n", "holds no prompt"),
        ("a.csv", "\ufeff", "no column"),
        ("a.doc", "a cat", "unknown suffix '.doc'"),
        ("a.parquet", "not parquet", "not a readable parquet file"),
        ("a.txt", "a cat".encode("utf-16"), "UTF-16"),
    ],
)
def test_files_that_give_nothing(
    tmp_path: Path, name: str, content: str | bytes, said: str
) -> None:
    with pytest.raises(CorpusError, match=said):
        read_prompts([write(tmp_path, name, content)])


def test_missing_files_and_folders_name_what_is_accepted(tmp_path: Path) -> None:
    for paths, said in (
        ([], "no prompt file was named"),
        ([tmp_path / "none.txt"], "there is no prompt file"),
        ([tmp_path], "is a folder"),
    ):
        with pytest.raises(CorpusError, match=rf"{said}.*\.txt, \.csv, \.tsv, \.parquet"):
            read_prompts(paths)


def test_a_parquet_column_of_numbers_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame({"prompt": [1], "words": ["a"]}).write_parquet(path)
    with pytest.raises(CorpusError, match="holds Int64, wanted text"):
        read_prompts([path])
    assert prompts(read_prompts([path], "words")) == ["a"]


def test_real_files_are_read_whole() -> None:
    parti, written = REAL / "parti.tsv", REAL / "sd_prompts.txt"
    if not (parti.is_file() and written.is_file()):
        pytest.skip(f"no real prompts in {REAL}")
    read = read_prompts([parti, written])
    counts = dict(read.table["source"].value_counts().iter_rows())
    assert counts["parti.tsv"] == 1632
    assert counts["sd_prompts.txt"] + read.report["blank"] in (42_562, 42_563)
    assert (read.report["malformed"], read.report["undecodable"]) == (0, 0)
    assert any(prompt.startswith('"G I G G L E" painted') for prompt in prompts(read))
