"""The command line on the tiny run: what it prints, what it writes, and its exit codes."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from unprompt.index.base.errors import ConfigError
from unprompt.index.images.shard_names import tar_path
from unprompt.ui.jobs.config import load_config, preset_names

Cli = Callable[..., Any]
COMMANDS = [["build"], ["invert"], ["eval"], ["demo"], ["index", "info"], ["index", "verify"]]


@pytest.fixture
def run_copy(tiny_run: Path, tmp_path: Path) -> Path:
    shutil.copytree(tiny_run, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def pictures(tmp_path: Path, tiny_pictures: list[Any]) -> Path:
    """Three renders in a folder, one of them deeper."""
    folder = tmp_path / "pictures"
    for name, picture in zip(("a.png", "b.png", "sub/c.png"), tiny_pictures, strict=False):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        picture.save(folder / name)
    return folder


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(cli: Cli, command: list[str]) -> None:
    found = cli(*command, "--help")
    assert found.code == 0 and found.err == ""
    assert f"unprompt {' '.join(command)} " in found.out, "an example to copy"
    assert "Example" in found.out


def test_help_and_version(cli: Cli) -> None:
    found = cli("--help")
    assert found.code == 0
    assert all(command[0] in found.out for command in COMMANDS)
    version = cli("--version")
    assert version.code == 0 and version.out.startswith("unprompt 0.")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["no-such-command"],
        ["build"],
        ["invert"],
        ["invert", "x.png", "--candidates", "0"],
        ["invert", "x.png", "--candidates", "many"],
        ["build", "scenes-tiny", "--no-such-option"],
    ],
    ids=" ".join,
)
def test_usage_errors_exit_with_2(cli: Cli, arguments: list[str]) -> None:
    assert cli(*arguments).code == 2


@pytest.mark.parametrize(
    "arguments,fault",
    [
        (
            ["no-such-preset"],
            "'no-such-preset' is neither a preset (lcm, scenes-small, scenes-tiny, sd-turbo,",
        ),
        (["no-such.yaml"], "there is no config file no-such.yaml"),
        (["scenes-tiny", "--set", "corpus.count"], "--set takes name=value"),
        (["scenes-tiny", "--set", "corpus.cuont=3"], "corpus.cuont"),
        (["scenes-tiny", "--set", "corpus.count=few"], "corpus.count"),
        (["scenes-tiny", "--set", "corpus.count=[1"], "--set corpus.count=[1: the value"),
        (["scenes-tiny", "--set", "name.x=3"], "name is not a section"),
        (["scenes-tiny", "--set", "fit=3"], "scenes-tiny fit must hold settings by name"),
        (["scenes-tiny", "--set", "corpus=3"], "corpus"),
        (["scenes-tiny", "--set", "fit.neighbors=[]"], "at least one of neighbors"),
        (["scenes-tiny", "--set", "render.size_px=8"], "render.size_px >= 32"),
        (["scenes-tiny", "--stage", "index"], "the stage index needs the stage embed"),
        (["scenes-tiny", "--stage", "fit"], "the stage fit needs the stage index"),
        (["scenes-tiny", "--stage", "head"], "unknown stage 'head'; stages are corpus, images"),
    ],
)
def test_build_refuses_what_cannot_work(
    cli: Cli, tmp_path: Path, arguments: list[str], fault: str
) -> None:
    found = cli("build", *arguments, "--output", tmp_path / "run")
    assert found.code == 1
    assert found.err.startswith("unprompt: ") and fault in found.err
    assert found.out == ""
    assert not list(tmp_path.rglob("*.json")), "nothing was begun"


@pytest.mark.parametrize(
    "content,fault",
    [
        (b"- a list", "must hold sections such as `corpus:`"),
        (b"", "must hold sections"),
        (b"corpus: {count: [}", "is not valid YAML"),
        (b"corpus: \xff\xfe", "cannot read the config file"),
        (b"embed: {keys: text}", "embed.keys text needs `encoder.output: embedding`"),
        (b"corpus: {source: files}", "corpus.source files needs corpus.paths"),
        (b"colour: red\ncorpus: {seed: x}", "colour"),
    ],
)
def test_config_files_that_cannot_work(
    cli: Cli, tmp_path: Path, content: bytes, fault: str
) -> None:
    path = tmp_path / "my.yaml"
    path.write_bytes(content)
    found = cli("build", path, "--output", tmp_path / "run")
    assert found.code == 1 and fault in found.err


def test_presets_all_load_and_a_yaml_file_is_named_after_itself(tmp_path: Path) -> None:
    assert {load_config(name).build.name for name in preset_names()} == set(preset_names())
    path = tmp_path / "mine.yaml"
    path.write_text("corpus: {count: 7}")
    config = load_config(str(path), ["corpus.seed=9", "fit.neighbors=[2, 3]"])
    assert (config.build.name, config.build.corpus.count) == ("mine", 7)
    assert (config.build.corpus.seed, config.fit.neighbors) == (9, (2, 3))
    with pytest.raises(ConfigError):
        load_config("")


def test_a_finished_run_is_left_alone(cli: Cli, tiny_run: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in tiny_run.rglob("*") if path.is_file()}
    found = cli("build", "scenes-tiny", "--output", tiny_run)
    assert (found.code, found.out) == (0, f"{tiny_run / 'bundle'}\n")
    after = {path: path.stat().st_mtime_ns for path in tiny_run.rglob("*") if path.is_file()}
    assert before == after


def test_changed_settings_are_refused_until_overwritten(cli: Cli, run_copy: Path) -> None:
    found = cli("build", "scenes-tiny", "-o", run_copy, "--set", "corpus.count=401")
    assert found.code == 1
    assert "corpus.count was 400, is 401" in found.err and "--overwrite" in found.err
    changed = ["build", "scenes-tiny", "-o", run_copy, "--set", "index.recall_k=5"]
    found = cli(*changed)
    assert found.code == 1 and "index.recall_k was 10, is 5" in found.err
    images = run_copy / "images" / "00000.tar"
    before = images.stat().st_mtime_ns
    assert cli(*changed, "--overwrite").code == 0
    assert images.stat().st_mtime_ns == before, "what did not change stays"
    shown = json.loads(cli("index", "info", run_copy, "--json").out)
    assert shown["recall"]["k"] == 5
    assert cli("index", "verify", run_copy).code == 0


def test_a_stage_asked_for_by_name_mends_a_damaged_file(cli: Cli, run_copy: Path) -> None:
    """What the error says to do is done, and the rebuilt file fits its old seal."""
    for name, stage in (("index/index.faiss", "index"), ("head/head.safetensors", "fit")):
        path = run_copy / "bundle" / name
        whole = path.read_bytes()
        path.write_bytes(whole[:-7])
        assert cli("index", "verify", run_copy).code == 1
        assert cli("build", "scenes-tiny", "-o", run_copy, "--stage", stage).code == 0
        assert path.read_bytes() == whole
        assert cli("index", "verify", run_copy).code == 0


def test_index_info(cli: Cli, tiny_run: Path) -> None:
    shown = json.loads(cli("index", "info", tiny_run, "--json").out)
    assert shown["ntotal"] == shown["prompts"] and shown["target_dim"] == 384
    assert 0.5 < shown["recall"]["value"] <= 1.0
    for folder in (tiny_run, tiny_run / "bundle", tiny_run / "bundle" / "index"):
        found = cli("index", "info", folder)
        assert found.code == 0 and shown["factory"] in found.out and shown["space"] in found.out
    found = cli("index", "info", tiny_run / "images")
    assert found.code == 1 and "no finished index" in found.err


def test_eval_json(cli: Cli, tiny_run: Path) -> None:
    found = cli("eval", "scenes-tiny", "--output", tiny_run, "--json")
    report = json.loads(found.out)
    assert found.code == 0 and report["run"] == "scenes-tiny"
    methods = {entry["method"]: entry for entry in report["methods"]}
    assert {"constant", "nearest prompt", "knn", "head", "blend"} == set(methods)
    for entry in methods.values():
        assert set(entry) == {"method", "mean_cosine", "ci95", "n", "prompts"}
        low, high = entry["ci95"]
        assert low <= entry["mean_cosine"] <= high and entry["n"] == report["leaks"]["test"]
    table = cli("eval", "scenes-tiny", "--output", tiny_run)
    assert f"{methods['blend']['mean_cosine']:.4f}" in table.out
    assert "leak check" in table.err and report["leaks"]["rows_near_held_out"] == 0


def test_eval_report_and_texts(cli: Cli, run_copy: Path) -> None:
    found = cli("eval", "scenes-tiny", "--output", run_copy, "--texts", 8, "--report", "--json")
    summary = json.loads(found.out)
    assert summary["methods"][-1]["method"] == "composed text" and summary["methods"][-1]["n"] == 8
    assert 0 <= summary["calibration_error"] < 0.3 and summary["compose_seconds"] > 0
    page = (run_copy / "report" / "report.md").read_text()
    for title in ("## Trust", "## By source", "## By length", "## Worst cases", "leak check"):
        assert title in page
    linked = re.findall(r"!\[[^]]*\]\(([^)]+)\)", page)
    assert len(linked) >= 14 and all((run_copy / "report" / name).is_file() for name in linked)


def test_a_submission_is_scored_against_true_prompts(
    cli: Cli, tiny_run: Path, pictures: Path, tmp_path: Path
) -> None:
    """Vectors of the prompts themselves score 1; those of the pictures score less."""
    from unprompt.index.prompt_encoders.minilm import load_prompt_encoder
    from unprompt.inversion.batch.submission import write_submission

    prompts = {"a": 'a red fox, "in" snow', "b": "two dogs"}
    table = pl.DataFrame({"imgId": list(prompts), "prompt": list(prompts.values())})
    table.write_csv(tmp_path / "truth.csv")
    vectors = load_prompt_encoder().encode(list(prompts.values()))
    write_submission(tmp_path / "own.csv", zip(prompts, vectors, strict=True))
    found = cli("eval", tmp_path / "own.csv", "--truth", tmp_path / "truth.csv", "--json")
    report = json.loads(found.out)
    assert report["mean_cosine"] == pytest.approx(1.0, abs=1e-4) and report["n"] == 2
    write_submission(tmp_path / "other.csv", [("c", vectors[0])])
    refused = cli("eval", tmp_path / "other.csv", "--truth", tmp_path / "truth.csv")
    assert refused.code == 1 and "lacks 2 images ('a', 'b')" in refused.err
    wrong = cli("eval", tmp_path / "truth.csv", "--truth", tmp_path / "truth.csv")
    assert wrong.code == 1 and "imgId_eId,val" in wrong.err


def test_invert_for_people_and_as_json(cli: Cli, tiny_run: Path, pictures: Path) -> None:
    options = ["--bundle", tiny_run / "bundle"]
    text = cli("invert", pictures / "a.png", *options, "-n", 3)
    assert (text.code, text.err) == (0, "")
    head, *candidates = text.out.splitlines()
    assert head.startswith(f"{pictures / 'a.png'}: ") and len(candidates) == 3
    found = cli("invert", pictures, *options, "--json", "-n", 2)
    lines = [json.loads(line) for line in found.out.splitlines()]
    assert [Path(line["image"]).name for line in lines] == ["a.png", "b.png", "c.png"]
    for line in lines:
        assert line["status"] == "success" and len(line["candidates"]) == 2
        assert "".join(phrase["text"] for phrase in line["phrases"]) == line["prompt"] != ""
        assert 0 < line["expected_cosine"] < 1 and line["outside"] is False
        assert np.linalg.norm(line["vector"]) == pytest.approx(1.0, abs=1e-4)
    shown, trust = head.split(": ", 1)[1].split("  [how sure: ")
    assert shown == lines[0]["prompt"]
    level, number = trust.rstrip("]").split(", about ")
    assert level in ("good", "fair", "low")
    assert float(number) == pytest.approx(lines[0]["expected_cosine"], abs=0.01)


def test_invert_with_words_and_settings_of_the_users(
    cli: Cli, tiny_run: Path, pictures: Path
) -> None:
    options = ["--bundle", tiny_run / "bundle", "--json", pictures / "a.png"]
    [plain] = [json.loads(cli("invert", *options).out)]
    word = next(word for word in plain["prompt"].split() if len(word) > 4).strip(",.")
    asked = ["--ban", word, "--prefix", "best quality", "--negative", "--alpha", "0.5", "--k", "7"]
    [found] = [json.loads(cli("invert", *options, *asked).out)]
    assert found["prompt"].startswith("best quality, ") and word not in found["prompt"]
    assert found["negative_prompt"] and found["alpha"] == 0.5
    assert len(found["candidates"]) <= 7 and found["vector"] != plain["vector"]
    [known] = [json.loads(cli("invert", *options, "--no-compose").out)]
    assert known["prompt"] == known["candidates"][0]["prompt"] and known["phrases"] == []


def test_tuning_a_run_again_and_two_together(cli: Cli, tiny_run: Path, tmp_path: Path) -> None:
    """In place it changes what was asked; an ensemble of a run with itself answers as the run."""
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        shutil.copytree(tiny_run, folder)
    found = cli("tune", first, "--set", "neighbors=[5]", "--json")
    report = json.loads(found.out)
    assert found.code == 0 and report["blend"]["knn"]["k"] == 5
    assert report["blend"]["tried"][0]["what"].startswith("untuned")
    table = cli("tune", first, second, "--output", tmp_path / "both")
    assert "members main, second together" in table.out
    refused = cli("tune", first, second)
    assert refused.code == 1 and "--output" in refused.err
    missing = cli("tune", tmp_path / "nowhere")
    assert missing.code == 1 and "not a finished run" in missing.err
    again = cli("tune", first, second, "--output", tmp_path / "both")
    assert again.code == 1 and "is not empty" in again.err


def test_an_ensemble_answers(cli: Cli, tiny_run: Path, pictures: Path, tmp_path: Path) -> None:
    second = tmp_path / "second"
    shutil.copytree(tiny_run, second)
    assert cli("tune", tiny_run, second, "--output", tmp_path / "both").code == 0
    options = [pictures / "a.png", "--json", "--bundle"]
    one = json.loads(cli("invert", *options, tiny_run / "bundle").out)
    both = json.loads(cli("invert", *options, tmp_path / "both").out)
    assert np.dot(one["vector"], both["vector"]) > 0.98
    assert [c["row_id"] for c in both["neighbors"]]


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_invert_writes_files(
    cli: Cli, tiny_run: Path, pictures: Path, tmp_path: Path, suffix: str
) -> None:
    output, submission = tmp_path / f"out.{suffix}", tmp_path / "submission.csv"
    found = cli(
        "invert", str(pictures / "*.png"), pictures / "sub", "--output", output,
        "--submission", submission, "-b", tiny_run / "bundle",
    )  # fmt: skip
    assert (found.code, found.out) == (0, "")
    read = {"csv": pl.read_csv, "parquet": pl.read_parquet, "jsonl": pl.read_ndjson}[suffix]
    table = read(output)
    assert [Path(name).name for name in table["image"]] == ["a.png", "b.png", "c.png"]
    assert table["prompt"].null_count() == 0
    lines = submission.read_text().splitlines()
    assert lines[0] == "imgId_eId,val" and len(lines) == 1 + 3 * 384
    assert lines[385].startswith("b_0,")
    if suffix == "parquet":
        values = [float(line.split(",")[1]) for line in lines[1:385]]
        np.testing.assert_allclose(table["vector"][0].to_numpy(), values, rtol=1e-6)
    assert not list(tmp_path.glob("*.parts")) and not list(tmp_path.glob("*.tmp"))


def test_invert_a_tar_into_a_submission_alone(cli: Cli, tiny_run: Path, tmp_path: Path) -> None:
    tar = tar_path(tiny_run / "images", 0)
    submission = tmp_path / "deep" / "submission.csv"
    found = cli("invert", tar, "--submission", submission, "-b", tiny_run / "bundle")
    assert found.code == 0 and "100 images" in found.err
    assert len(submission.read_text().splitlines()) == 1 + 100 * 384
    assert os.listdir(submission.parent) == ["submission.csv"]


def test_invert_names_what_is_wrong_with_the_bundle(
    cli: Cli, tiny_run: Path, pictures: Path, tmp_path: Path
) -> None:
    found = cli("invert", pictures, "--bundle", tiny_run)
    assert found.code == 1 and f"did you mean {tiny_run / 'bundle'}?" in found.err
    found = cli("invert", pictures, "--bundle", tmp_path / "nowhere")
    assert found.code == 1 and "not a finished bundle" in found.err
    found = cli("invert", pictures, "-b", tiny_run / "bundle", "--output", tmp_path / "out.txt")
    assert found.code == 1 and "must end in one of .parquet, .csv, .jsonl" in found.err


def test_an_interruption_says_how_to_go_on(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(request: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("unprompt.ui.jobs.invert.run_invert", interrupt)
    found = cli("invert", "x.png")
    assert found.code == 130 and "run the same command again" in found.err


def test_as_a_process_with_a_reader_that_leaves(tiny_run: Path) -> None:
    """`unprompt invert ... | head -1`: no traceback, and nothing hangs."""
    command = [
        sys.executable,
        "-m",
        "unprompt.ui.cli.main",
        "invert",
        tar_path(tiny_run / "images", 0),
    ]
    process = subprocess.Popen(
        [*map(str, command), "--json", "-b", str(tiny_run / "bundle")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stderr is not None
    assert json.loads(process.stdout.readline())["status"] == "success"
    process.stdout.close()
    errors = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(60) == 1 and errors == ""
