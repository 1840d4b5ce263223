"""Bundles of strangers: nothing in them runs, hangs, floods or leads out; every byte is covered."""

import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from strangers import SPACE, TARGET_SPACE, make_bundle, seal_lies

from unprompt.index.base.errors import ConfigError, DamagedFileError, UnpromptError
from unprompt.index.bundle.bundle import read_bundle, seal_again, seal_bundle
from unprompt.index.bundle.copies import copy_parts
from unprompt.index.exported.export import load_encoder
from unprompt.index.sealed.seal import read_seal
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.store.rebuild import merge_indexes
from unprompt.index.store.update import remove_rows
from unprompt.inversion.inverter import STARTER, Inverter
from unprompt.inversion.query import Query

RED = Image.new("RGB", (20, 20), "red")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("made") / "bundle")


@pytest.fixture
def bundle(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "bundle")


def ask(bundle: Path) -> Any:
    return Inverter.load(bundle, threads=1).invert(RED, Query(compose=False))


def change(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_whole_bundle_answers(bundle: Path) -> None:
    assert ask(bundle).prompt.startswith("a fox")


def test_one_flipped_byte_in_any_file_is_named(bundle: Path) -> None:
    for path in sorted(path for path in bundle.rglob("*") if path.is_file()):
        whole = path.read_bytes()
        place = len(whole) // 2
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(UnpromptError, match=path.name.replace(".", r"\.")):
            Inverter.load(bundle, threads=1)
        path.write_bytes(whole)
    read_bundle(bundle)


@pytest.mark.slow
def test_one_flipped_byte_in_any_file_of_the_starter_is_named(tmp_path: Path) -> None:
    starter = shutil.copytree(STARTER, tmp_path / "starter")
    names = [path for path in starter.rglob("*") if path.is_file() and path.name[:2] != "__"]
    assert len(names) > 40
    for path in sorted(names):
        with path.open("r+b") as file:
            file.seek(path.stat().st_size // 3)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 4]))
        with pytest.raises(UnpromptError, match=path.name.replace(".", r"\.")):
            read_bundle(starter)
        shutil.copyfile(STARTER / path.relative_to(starter), path)
    read_bundle(starter)


def test_a_bundle_that_names_code_runs_none(bundle: Path, tmp_path: Path) -> None:
    """open_clip's tokenizer settings can import Python from a folder: the name is never loaded."""
    evil = tmp_path / "evil"
    evil.mkdir()
    proof = tmp_path / "it ran"
    (evil / "run.py").write_text(f"open({str(proof)!r}, 'w')\nclass T: pass\n")
    text = {"hf_tokenizer_name": "x", "tokenizer_kwargs": {"trust_remote_code": True}}
    config = {"model_cfg": {"embed_dim": 8, "vision_cfg": {}, "text_cfg": text}}
    (evil / "open_clip_config.json").write_text(json.dumps(config))
    tokenizer = {"auto_map": {"AutoTokenizer": ["run.T", None]}, "tokenizer_class": "T"}
    (evil / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    described = json.loads((bundle / "encoder" / "encoder.json").read_text())
    for model in (f"local-dir:{evil}", "hf-hub:nobody/nothing"):
        settings = {**described["config"], "runtime": "torch", "model": model}
        for files in ({}, described["files"]):
            change(bundle / "encoder" / "encoder.json", config=settings, files=files)
            seal_lies(bundle)
            with pytest.raises(DamagedFileError, match=r"encoder\.json"):
                ask(bundle)
    with pytest.raises(UnpromptError):
        load_encoder(bundle / "encoder")
    assert not proof.exists() and "run" not in sys.modules


def test_a_folder_that_names_code_is_refused_even_where_the_user_names_it(tmp_path: Path) -> None:
    from unprompt.index.towers.open_clip_folder import check_named

    config: dict[str, Any] = {"embed_dim": 8, "vision_cfg": {}, "text_cfg": {}}
    for section, settings, said in (
        ("text_cfg", {"tokenizer_kwargs": {"trust_remote_code": True}}, "trust_remote_code"),
        ("vision_cfg", {"timm_model_name": "hf-hub:nobody/nothing"}, "registered name of timm"),
        ("text_cfg", {"hf_model_name": "nobody/nothing"}, "of a hub"),
    ):
        content = {"model_cfg": {**config, section: settings}}
        (tmp_path / "open_clip_config.json").write_text(json.dumps(content))
        with pytest.raises(ConfigError, match=said):
            check_named(f"local-dir:{tmp_path}")
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    (tmp_path / "config.json").write_text('{"auto_map": {"AutoModel": "run.M"}}')
    with pytest.raises(ConfigError, match=r"config\.json names Python code"):
        check_named(f"local-dir:{tmp_path}")


NAMES = ["../out.npy", "/etc/passwd", "..", "a/b", "a\\b", "C:x", "", "a\x00b", "x" * 300]


@pytest.mark.parametrize("name", NAMES)
def test_names_that_leave_the_folder(name: str, bundle: Path, tmp_path: Path) -> None:
    path = bundle / "index" / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["digest"]
    manifest["files"][name] = manifest["files"]["targets.npy"]
    manifest["segments"][0]["targets"] = name
    path.write_text(json.dumps(manifest))
    before = sorted(tmp_path.rglob("*"))
    for act in (
        lambda: PromptIndex.load(bundle / "index"),
        lambda: merge_indexes([bundle / "index"], tmp_path / "deep" / "merged"),
    ):
        with pytest.raises(UnpromptError, match="bare name"):
            act()
    assert sorted(tmp_path.rglob("*")) in (before, sorted([*before, tmp_path / "deep"]))
    seal = json.loads((bundle / "bundle.json").read_text())
    seal["files"][name] = seal["files"]["blend.json"]
    (bundle / "bundle.json").write_text(json.dumps(seal))
    with pytest.raises(UnpromptError):
        read_bundle(bundle)


@pytest.mark.parametrize("member", ["../../elsewhere", "/tmp", "a/b", ".."])
def test_members_are_bare_names(member: str, bundle: Path) -> None:
    knn = json.loads((bundle / "blend.json").read_text())["knn"]
    shares = [
        {"name": name, "knn": knn, "knn_weight": 1.0, "head_weight": 1.0}
        for name in ("main", member)
    ]
    change(bundle / "blend.json", members=shares)
    seal_bundle(bundle, "strange", SPACE, TARGET_SPACE)
    with pytest.raises(UnpromptError, match="bare name"):
        ask(bundle)


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def a_link_out(path: Path) -> None:
    moved = path.rename(path.parents[2] / "moved")
    path.symlink_to(moved)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("act", [a_pipe, a_link_out, a_folder])
@pytest.mark.parametrize("name", ["index/index.faiss", "encoder/tower.bin", "head/config.json"])
def test_no_file_is_a_pipe_a_folder_or_a_link_out(
    act: Callable[[Path], None], name: str, bundle: Path
) -> None:
    act(bundle / name)
    with pytest.raises(DamagedFileError, match="no regular file|link out of"):
        read_bundle(bundle)
    with pytest.raises(DamagedFileError):
        PromptIndex.load(bundle / "index").read_values([0], "prompt")
        load_encoder(bundle / "encoder")
        read_bundle(bundle)


def test_what_no_record_covers_is_refused_and_not_copied(bundle: Path, tmp_path: Path) -> None:
    (bundle / "note.txt").write_text("read by nobody")
    (tmp_path / "secret").write_text("secret")
    (bundle / "private").symlink_to(tmp_path / "secret")
    copy_parts(bundle, None, tmp_path / "copy")
    assert not (tmp_path / "copy" / "private").exists()
    assert not (tmp_path / "copy" / "note.txt").exists()
    (bundle / "router.json").write_text("{}")
    with pytest.raises(DamagedFileError, match=r"router\.json is not recorded"):
        ask(bundle)


def test_an_index_changes_inside_its_bundle(bundle: Path) -> None:
    before = read_seal(bundle).indexes["index"]
    remove_rows(bundle / "index", [3, 5])
    after = read_seal(bundle).indexes["index"]
    assert len(after) == 1 and after != before
    assert ask(bundle).prompt
    (bundle / "index" / "rows.parquet").write_bytes(b"other rows")
    with pytest.raises(DamagedFileError, match=r"rows\.parquet"):
        ask(bundle)
    with pytest.raises(DamagedFileError, match=r"rows\.parquet"):
        seal_again(bundle)


def test_a_bundle_that_its_owner_changed_is_sealed_again(bundle: Path) -> None:
    change(bundle / "blend.json", alpha=0.25)
    with pytest.raises(DamagedFileError, match=r"blend\.json has .*unprompt seal"):
        ask(bundle)
    seal_again(bundle)
    assert ask(bundle).alpha == 0.25
    change(bundle / "bundle.json", format=1)
    with pytest.raises(DamagedFileError, match="no seal of format 2.*unprompt seal"):
        ask(bundle)


VIEW = (
    "create table rows_ (row integer primary key); create view rows as with recursive r(row) as "
    "(select 0 union all select row + 1 from r) select row, 1 row_id, 1 image_id, 1 prompt_id, "
    "'x' prompt, 'x' key, 1 seed, 'x' generator from r;"
)
COLUMNS = "row integer primary key, row_id integer, image_id integer, prompt_id integer"
DATABASES = {
    "an endless view": VIEW,
    "a computed column": f"create table rows ({COLUMNS} as (row * 2), prompt text, key text,"
    " seed integer, generator text)",
    "another table": "create table lines (row integer primary key)",
    "a trigger": "create trigger t after insert on rows begin select 1; end",
    "an index": "create index by_prompt on rows (prompt)",
}


@pytest.mark.parametrize("what", DATABASES)
def test_a_database_holds_one_table_and_no_program(what: str, bundle: Path) -> None:
    path = bundle / "index" / "rows.sqlite"
    if what in ("an endless view", "a computed column", "another table"):
        path.unlink()
    with sqlite3.connect(path) as database:
        database.executescript(DATABASES[what])
    database.close()
    seal_lies(bundle)
    with pytest.raises(
        DamagedFileError, match=r"rows\.sqlite.*(table of rows alone|no such table)"
    ):
        PromptIndex.load(bundle / "index")


@pytest.mark.parametrize(
    ("column", "value"),
    [("seed", "%3000000000d"), ("prompt", None), ("prompt", b"\xff\x00"), ("row_id", 1.5),
     ("prompt", "x" * 3_000_000), ("prompt_id", None)],
)  # fmt: skip
def test_a_value_of_another_type_is_no_format_and_no_flood(
    column: str, value: Any, bundle: Path
) -> None:
    path = bundle / "index" / "rows.sqlite"
    with sqlite3.connect(path) as database:
        database.execute(f"update rows set {column} = ? where row = 2", (value,))
    database.close()
    seal_lies(bundle)
    index = PromptIndex.load(bundle / "index")
    with pytest.raises(DamagedFileError, match=r"rows\.sqlite"):
        index.read_values(np.arange(5), "row_id", "prompt_id", "prompt", "seed")


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["index/targets.npy", "index/keys.npy", "phrases/phrases.npy"])
def test_vectors_that_are_not_finite(name: str, number: float, bundle: Path) -> None:
    vectors = np.load(bundle / name)
    vectors[2, 1] = number
    np.save(bundle / name, vectors)
    seal_lies(bundle)
    with pytest.raises(DamagedFileError, match="not finite, first in row 2"):
        inverter = Inverter.load(bundle, threads=1)
        assert inverter.composer


@pytest.mark.parametrize(
    "content",
    [b"[" * 100_000, b'{"alpha": ' + b"9" * 5000 + b"}", b'{"alpha": NaN}', b'{"alpha": 1e999}',
     b"[]", b"7", b"null", b'"text"', b"\xff\xfe", b"", b'{"name": "\\ud800"}', b'{"a":' * 60],
)  # fmt: skip
@pytest.mark.parametrize(
    "name",
    ["blend.json", "confidence.json", "encoder/encoder.json", "head/config.json", "bundle.json",
     "index/manifest.json", "phrases/phrases.json"],
)  # fmt: skip
def test_json_of_any_kind_is_a_typed_error(name: str, content: bytes, bundle: Path) -> None:
    (bundle / name).write_bytes(content)
    if name != "bundle.json" and name != "index/manifest.json":
        seal_bundle(bundle, "strange", SPACE, TARGET_SPACE)
    with pytest.raises(UnpromptError, match=Path(name).name.split(".")[0]):
        inverter = Inverter.load(bundle, threads=1)
        inverter.invert(RED)
