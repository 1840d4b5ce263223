"""A bundle is whole when its seal says so; the real tiny bundle and hand-made folders."""

import json
import shutil
from pathlib import Path

import pytest
from left_files import left_by_a_kill

from unprompt.index.base.errors import ConfigError, DamagedFileError
from unprompt.index.bundle.bundle import read_bundle, seal_bundle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    bundle = tmp_path / "run" / "bundle"
    (bundle / "head").mkdir(parents=True)
    (bundle / "head" / "config.json").write_text("{}")
    (bundle / "blend.json").write_text("half")
    left_by_a_kill(bundle / "blend.json")
    seal_bundle(bundle, "by hand", "colours", "words")
    return bundle


def test_seal_lists_every_file_but_itself_and_leftovers(folder: Path) -> None:
    manifest = read_bundle(folder, verify=True)
    assert sorted(manifest.files) == ["blend.json", "head/config.json"]
    assert (manifest.name, manifest.space, manifest.target_space) == ("by hand", "colours", "words")
    again = seal_bundle(folder, "by hand", "colours", "words")
    assert again == manifest, "sealing twice is sealing once"


def test_a_missing_and_a_cut_file_are_named(folder: Path) -> None:
    (folder / "blend.json").write_text("ha")
    with pytest.raises(DamagedFileError, match=r"blend\.json has 2 bytes, 4 were written.*build"):
        read_bundle(folder)
    (folder / "blend.json").unlink()
    with pytest.raises(DamagedFileError, match=r"blend\.json is missing"):
        read_bundle(folder)


def test_a_changed_file_is_found_unless_sizes_alone_are_compared(folder: Path) -> None:
    (folder / "blend.json").write_text("hole")
    read_bundle(folder, verify=False)
    with pytest.raises(DamagedFileError, match=r"blend\.json has changed.*unprompt seal"):
        read_bundle(folder)


def test_a_run_folder_in_place_of_its_bundle(folder: Path) -> None:
    with pytest.raises(DamagedFileError, match=f"did you mean {folder}"):
        read_bundle(folder.parent)


def test_an_unsealed_folder(folder: Path) -> None:
    (folder / "bundle.json").unlink()
    with pytest.raises(DamagedFileError, match=r"no bundle\.json.*unprompt build"):
        read_bundle(folder)


def test_a_seal_with_unknown_fields(folder: Path) -> None:
    path = folder / "bundle.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "colour": "red"}))
    with pytest.raises(ConfigError, match=r"bundle\.json.*\n.*colour"):
        read_bundle(folder)


def test_the_tiny_bundle_is_whole(tiny_run: Path, tmp_path: Path) -> None:
    manifest = read_bundle(tiny_run / "bundle", verify=True)
    assert {name.split("/")[0] for name in manifest.files} == {
        "encoder", "fallback", "head", "phrases", "blend.json", "confidence.json", "card.md",
    }  # fmt: skip
    assert set(manifest.indexes) == {"fallback/index", "index"}
    damaged = shutil.copytree(tiny_run / "bundle", tmp_path / "bundle") / "index" / "rows.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    with pytest.raises(DamagedFileError, match=r"index/rows\.parquet has changed"):
        read_bundle(tmp_path / "bundle", verify=True)
    assert not list(tiny_run.rglob("*.tmp"))
    assert "OpenMoji" in (tiny_run / "bundle" / "card.md").read_text()
