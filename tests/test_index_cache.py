"""What is kept in the cache folder comes back whole or not at all, and never breaks anything."""

import importlib.metadata
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unprompt.index.base.durable import digest_file
from unprompt.index.encoders.protocols import EncoderConfig
from unprompt.index.exported import tower_cache
from unprompt.index.exported.export import OpenVinoEncoder, export_encoder, load_encoder
from unprompt.index.exported.tower_cache import cache_name
from unprompt.index.prompt_encoders.token_embeddings import TokenEmbeddings, save_token_embeddings
from unprompt.index.runtime.cache import (
    cached_digest,
    drop_pages,
    is_writable,
    read_cached,
    write_cached,
)
from unprompt.index.runtime.compiled import NETWORK_PREFIX
from unprompt.index.runtime.openvino_graph import Storage
from unprompt.index.towers import clip


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "unprompt"


def test_content_comes_back_and_only_the_latest_stay(cache: Path) -> None:
    content = bytes(range(256)) * 50
    for number in range(4):
        write_cached(f"thing-{number}", content, "thing-", 2)
        os.utime(cache / f"thing-{number}", (number, number))
    write_cached("other", b"x", "other", 1)
    found = read_cached("thing-3")
    assert found is not None and found.tobytes() == content
    assert sorted(path.name for path in cache.iterdir()) == ["other", "thing-2", "thing-3"]


def test_content_that_was_let_go_is_read_again(cache: Path) -> None:
    content = np.random.default_rng(0).bytes(300_000)
    write_cached("thing", content, "thing", 1)
    found = read_cached("thing")
    assert found is not None and found.tobytes() == content
    drop_pages(found)
    assert found.tobytes() == content
    found[:9] = 0  # a copy of this process
    assert (cache / "thing").read_bytes()[:9] == content[:9]
    drop_pages(np.zeros(4, np.uint8))


@pytest.mark.parametrize("damage", ["cut", "flipped", "longer", "empty", "gone"])
def test_damaged_content_is_none(cache: Path, damage: str) -> None:
    write_cached("thing", bytes(5000), "thing", 1)
    path = cache / "thing"
    whole = path.read_bytes()
    changed = {
        "cut": whole[:-1],
        "flipped": whole[:99] + b"\x01" + whole[100:],
        "longer": whole + b"\x00",
        "empty": b"",
    }
    path.unlink()
    if damage in changed:
        path.write_bytes(changed[damage])
    assert read_cached("thing") is None


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    write_cached("thing", b"content", "thing", 1)
    assert read_cached("thing") is None and not is_writable()
    (tmp_path / "weights").write_bytes(b"1")
    assert cached_digest(tmp_path / "weights") == digest_file(tmp_path / "weights")


def test_a_remembered_digest_follows_the_file(cache: Path, tmp_path: Path) -> None:
    path = tmp_path / "weights"
    for content in (b"one", b"two"):
        path.write_bytes(content)
        assert cached_digest(path) == cached_digest(path) == digest_file(path)
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize("damage", ["none", "cut", "nonsense", "unwritable"])
def test_a_kept_network_answers_as_the_compiled_one_or_is_made_again(
    cache: Path, tiny_run: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    picture = Image.linear_gradient("L").convert("RGB")
    folder = tiny_run / "bundle" / "encoder"
    compiled = load_encoder(folder).encode([picture])
    [kept] = cache.glob(f"{NETWORK_PREFIX}*")
    if damage == "cut":
        kept.write_bytes(kept.read_bytes()[:1000])
    if damage == "nonsense":  # whole, but no network
        write_cached(kept.name, b"nonsense" * 1000, NETWORK_PREFIX, 9)
    if damage == "unwritable":
        monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    encoder = load_encoder(folder)
    assert isinstance(encoder, OpenVinoEncoder)
    again = encoder.encode([picture])
    encoder.release()
    assert compiled.tobytes() == again.tobytes() == encoder.encode([picture]).tobytes()
    assert kept.stat().st_size > 100_000 or damage == "unwritable"


@pytest.mark.parametrize(("storage", "apart"), [("f16", 0.002), ("int8", 0.02)])
def test_words_are_read_one_by_one(tmp_path: Path, storage: Storage, apart: float) -> None:
    table = np.random.default_rng(0).normal(size=(50, 8))
    save_token_embeddings(tmp_path, table, storage)
    ids = np.array([[3, 49, 0], [0, 3, 3]])
    found = TokenEmbeddings(tmp_path)(ids)
    assert found.dtype == np.float32 and found.shape == (2, 3, 8)
    assert 0 < np.abs(found - table[ids]).max() < apart
    np.testing.assert_array_equal(found[0, 0], found[1, 1])


SMALL = EncoderConfig(model="efficientnet-lite0", output="pooled", image_size=64)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.slow
def test_a_published_tower_is_exported_once(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    description = export_encoder(SMALL, first)
    assert contents(first).keys() == {"encoder.json", "tower.bin", "tower.xml"}
    [kept] = cache.glob("tower-*")
    with monkeypatch.context() as patched:
        patched.delattr(clip, "load_clip")  # no tower can be loaded
        assert export_encoder(SMALL, second) == description
        assert contents(second) == contents(first)
    kept.write_bytes(kept.read_bytes()[:-9] + bytes(9))
    assert export_encoder(SMALL, third) == description, "a damaged one is made again"
    assert contents(third) == contents(first), "exporting again gives the same files"
    assert kept.read_bytes() and [*cache.glob("tower-*")] == [kept]


def test_the_name_of_a_cached_tower_holds_all_that_decides_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = cache_name(SMALL)
    assert name is not None and name == cache_name(SMALL)
    changed: dict[str, Callable[..., object]] = {
        "cached_digest": lambda path: "other weights",
        "prompt_space": lambda folder: "another text tower",
        "_digest_code": lambda: "another exporter",
        "processor": lambda: ["another processor"],
    }
    names = {name, cache_name(replace(SMALL, storage="int8"))}
    for function, other in changed.items():
        with monkeypatch.context() as patched:
            patched.setattr(tower_cache, function, other)
            names.add(cache_name(SMALL))
    with monkeypatch.context() as patched:
        patched.setattr(importlib.metadata, "version", lambda library: "another version")
        names.add(cache_name(SMALL))
    assert len(names) == 2 + len(changed) + 1 and None not in names


@pytest.mark.parametrize("other", [{"runtime": "torch"}, {"model": "ViT-B-32"}])
def test_towers_that_are_not_cached(other: dict[str, str]) -> None:
    assert cache_name(replace(SMALL, **other)) is None  # type: ignore[arg-type]


def test_a_prompt_encoder_without_a_cache_folder_is_made_for_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The export itself is a stand-in; what is tried is where it is put, and how often."""
    from unprompt.index.prompt_encoders import target_encoder

    made: list[Path] = []

    def export(folder: Path) -> None:
        made.append(folder)
        (folder / target_encoder.DESCRIPTION).write_text("{}")

    monkeypatch.setattr(target_encoder, "write_prompt_encoder", export)
    for base in ("/dev/null", "/proc/cache"):
        monkeypatch.setenv("XDG_CACHE_HOME", base)
        folder = target_encoder._prepare()
        assert folder == target_encoder._prepare() == made[-1] and folder.is_dir()
        assert not folder.is_relative_to(base)
    assert len(made) == 1
