"""Shared by the tests: a tiny run built once, a hand-made index, the command line in process."""

import fcntl
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
from PIL import Image

from unprompt.index.base.tables import ROWS
from unprompt.index.search.factory import IndexConfig
from unprompt.index.store.manifest import IndexManifest
from unprompt.index.store.segments import IndexContent
from unprompt.index.store.write import write_index

pytest_plugins = ["the_page"]
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # waiting threads that spin slow a shared machine down
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_OFFLINE"] = "1"

SLOW_FIXTURES = {"tiny_run", "build_once", "ray", "browser"}
SLOW_MODULES = (  # they load torch, export towers, render many pictures or start processes
    "test_train_", "test_engines", "test_kill", "test_index_bulk", "test_index_encoders",
    "test_index_lean_vit", "test_index_torch_graph", "test_index_runtime", "test_index_minilm",
    "test_index_cache", "test_index_filling", "test_index_factory",
    "test_index_disk_lists", "test_index_update", "test_inversion_starter", "test_inversion_start",
    "test_inversion_words", "test_inversion_trust", "test_build_diffusion", "test_build_images",
    "test_build_pipeline", "test_build_duplicates", "test_build_dedupe", "test_build_folds",
    "test_build_scenes", "test_sources_", "test_api", "test_ui_make", "test_build_make_llm",
)  # fmt: skip
SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a whole build, Ray or a browser as slow: `make test-fast` leaves it out.

    Modules that need the tiny run come last: one worker builds it while the other has tests.
    """
    needing = set()
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if SLOW_FIXTURES & fixtures or item.path.name.startswith(SLOW_MODULES):
            item.add_marker(pytest.mark.slow)
        if "tiny_run" in fixtures:
            needing.add(item.path)
    items.sort(key=lambda item: item.path in needing)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no {SHARED_DATA}: the host's own vectors are not part of this repository")
    return SHARED_DATA


BuildOnce = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def build_once(tmp_path_factory: pytest.TempPathFactory) -> BuildOnce:
    """Make a folder by name, once for all workers of pytest-xdist; the others wait for it.

    What it holds is shared: copy it before changing it.
    """
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def build(name: str, make: Callable[[Path], object]) -> Path:
        folder = shared / name
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                unfinished = shared / f"{name}.unfinished"
                shutil.rmtree(unfinished, ignore_errors=True)
                make(unfinished)
                unfinished.rename(folder)
        return folder

    return build


@pytest.fixture(scope="session")
def tiny_run(build_once: BuildOnce) -> Iterator[Path]:
    """The preset scenes-tiny, built for real. Copy it before changing it."""
    from unprompt.ui.jobs.build import build_run
    from unprompt.ui.jobs.config import load_config

    folder = build_once("scenes-tiny", lambda made: build_run(made, load_config("scenes-tiny")))
    before = times_of(folder)
    yield folder
    assert times_of(folder) == before, "a test has changed the run that all tests share"


def times_of(folder: Path) -> dict[Path, int]:
    """Modification times of all files under a folder, in nanoseconds."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture(scope="session")
def tiny_pictures(tiny_run: Path) -> list[Image.Image]:
    """The first 40 renders of the tiny run."""
    from unprompt.index.images.pictures import open_picture
    from unprompt.index.images.shard_pictures import iterate_images

    found = list(iterate_images(tiny_run / "images", 0))[:40]
    return [open_picture(content, key) for key, content in found]


class Content(NamedTuple):
    """What a hand-made index holds; ids and prompts are counted out where they are left out."""

    keys: Sequence[Sequence[float]]
    targets: Sequence[Sequence[float]]
    prompt_ids: Sequence[int] | None = None
    row_ids: Sequence[int] | None = None
    space: str = "colours"

    def rows(self) -> pl.DataFrame:
        count = len(self.keys)
        prompt_ids = self.prompt_ids or range(count)
        return pl.DataFrame(
            {
                "row": range(count),
                "row_id": self.row_ids or [10 * place + 5 for place in range(count)],
                "image_id": range(100, 100 + count),
                "prompt_id": prompt_ids,
                "prompt": [f"prompt {number}" for number in prompt_ids],
                "key": [f"{place:09d}" for place in range(count)],
                "seed": [0] * count,
                "generator": ["by hand"] * count,
            },
            schema=ROWS,
        )


MakeIndex = Callable[..., IndexManifest]


@pytest.fixture
def content() -> type[Content]:
    return Content


@pytest.fixture
def make_index() -> MakeIndex:
    """Write an index of hand-made content; `factory` is Flat, so that scores are exact."""

    def make(
        folder: Path,
        content: Content,
        factory: str = "Flat",
        held_out: np.ndarray | None = None,
        recall_k: int = 3,
    ) -> IndexManifest:
        keys = np.asarray(content.keys, dtype=np.float32)
        targets = np.asarray(content.targets, dtype=np.float32)
        queries = keys[:0] if held_out is None else held_out
        whole = IndexContent(content.rows(), keys, targets, content.space, "words")
        return write_index(folder, whole, queries, IndexConfig(factory, recall_k=recall_k))

    return make


class ColourEncoder:
    """A picture of one colour -> that colour as a unit vector: red is (1, 0, 0)."""

    space = "colours"
    dim = 3

    def encode(self, images: Sequence[Image.Image]) -> np.ndarray:
        means = [np.asarray(image, dtype=np.float32).mean(axis=(0, 1)) for image in images]
        vectors = np.array(means, dtype=np.float32).reshape(-1, 3)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def colour_encoder() -> ColourEncoder:
    return ColourEncoder()


class CliResult(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


Cli = Callable[..., CliResult]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Call the entry point as the shell does, without the seconds that a new process takes."""
    from unprompt.ui.cli.main import main

    def call(*arguments: object) -> CliResult:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["unprompt", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        shown = capsys.readouterr()
        assert "Traceback" not in shown.err
        return CliResult(int(stop.value.code or 0), shown.out, shown.err)

    return call
