"""Bulk work by every engine: the files that one process writes, also after a worker is killed."""

import io
import os
import pickle
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from engine_works import Deadly, Meet, Square
from left_files import left_by_a_kill

from unprompt.build.corpus.corpus import PROMPTS_FILE, read_corpus
from unprompt.build.keys.embed import EmbedWork, embed_images
from unprompt.build.pictures import render as render_module
from unprompt.build.pictures.config import RenderConfig
from unprompt.build.pictures.render import RenderWork, render_images
from unprompt.index.base.durable import digest_file, read_json
from unprompt.index.base.errors import ConfigError, PromptError, UnpromptError, UnreadableImageError
from unprompt.index.engines.engine import Demand, EngineConfig, map_shards, plan_slots
from unprompt.index.engines.engine_local import WorkerSlot
from unprompt.index.engines.ray_library import load_ray, start_ray
from unprompt.index.search.filling import PartFill
from unprompt.index.search.training import fill
from unprompt.index.vectors.faiss_library import load_faiss
from unprompt.index.vectors.matrix import open_matrix, write_matrix
from unprompt.inversion.batch.inputs import find_pictures
from unprompt.inversion.query import Query
from unprompt.ui.cli.engine_options import read_engine
from unprompt.ui.jobs.invert import InvertRequest, run_invert

Cli = Callable[..., Any]
HERE = Path(__file__).parent
RENDER = RenderConfig(size_px=96, images_per_shard=12)
LOCAL, RAY = EngineConfig(workers=2), EngineConfig("ray", workers=2)


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """One Ray for all tests of this module, as small as it gets."""
    before = dict(os.environ)
    places = [*os.environ.get("PYTHONPATH", "").split(":"), str(HERE)]
    os.environ["PYTHONPATH"] = ":".join(filter(None, places))  # actors import engine_works
    module = load_ray(None)
    small = {"num_cpus": 2, "object_store_memory": 100 * 2**20, "include_dashboard": False}
    start_ray(module, {"address": "local", **small, "log_to_driver": False, "logging_level": 40})
    yield module
    module.shutdown()
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(params=[LOCAL, RAY], ids=["local", "ray"])
def engine(request: pytest.FixtureRequest) -> EngineConfig:
    """Two local processes, then two actors in the Ray of this module."""
    if request.param.name == "ray":
        request.getfixturevalue("ray")
    config: EngineConfig = request.param
    return config


def written(path: Path) -> tuple[int, int]:
    """Changes when a file is written, but not when it is read."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns


def digests(*folders: Path) -> dict[str, str]:
    return {
        f"{folder.name}/{path.relative_to(folder)}": digest_file(path)
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file()
    }


# --- what an engine does with items


def test_a_failed_item_is_named_and_stops_no_other(engine: EngineConfig) -> None:
    found = {}
    with pytest.raises(PromptError, match=r"shard 00003: cannot draw 3 \(2 shards.*are kept"):
        for number, result in map_shards(Square(fails_at=(3, 5)), items(8), engine):
            found[number] = result
    assert {number: result[0] for number, result in found.items()} == {
        number: number**2 for number in (0, 1, 2, 4, 6, 7)
    }


def items(count: int) -> dict[int, int]:
    return {number: number for number in range(count)}


def test_a_bug_keeps_its_kind_and_the_place_it_is_at() -> None:
    with pytest.raises(ZeroDivisionError) as found:
        list(map_shards(Square(bug_at=(1,)), items(3), LOCAL))
    notes = "\n".join(found.value.__notes__)
    assert "engine_works.py" in notes and "shard 00001" in notes


def test_many_failures_end_the_work() -> None:
    tried = []
    with pytest.raises(PromptError, match="10 shards failed"):
        for number, _ in map_shards(Square(fails_at=tuple(range(50))), items(100), EngineConfig()):
            tried.append(number)
    assert tried == []
    with pytest.raises(PromptError, match="^no such tower$"):
        list(map_shards(Square(refuses_to_load=True), items(100), LOCAL))


def test_an_item_that_kills_every_worker_is_named(engine: EngineConfig, tmp_path: Path) -> None:
    work = Deadly(Square(), tmp_path / "deaths", at=2, times=99)
    found = []
    with pytest.raises(UnpromptError, match="shard 00002: its worker was killed 3 times"):
        for number, _ in map_shards(work, items(5), engine):
            found.append(number)
    assert sorted(found) == [0, 1, 3, 4]
    assert (tmp_path / "deaths").read_text() == "xxx"


# --- the stages of a build


@pytest.fixture(scope="module")
def prompts(tiny_run: Path) -> pl.DataFrame:
    table = read_corpus(tiny_run / "corpus").prompts
    return table.filter(table["split"] != "excluded").head(40)


def render(folder: Path, prompts: pl.DataFrame, engine: EngineConfig) -> int:
    return render_images(folder / "images", prompts, RENDER, engine=engine).left


def embed(folder: Path, run: Path, engine: EngineConfig) -> int:
    corpus, encoder = run / "corpus" / PROMPTS_FILE, run / "bundle" / "encoder"
    work = EmbedWork(folder / "images", folder / "embeddings", corpus, encoder)
    return embed_images(work, engine=engine)


@pytest.fixture(scope="module")
def wanted(
    prompts: pl.DataFrame, tiny_run: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """What one process, this one, writes."""
    folder = tmp_path_factory.mktemp("alone")
    alone = EngineConfig(workers=1)
    assert (render(folder, prompts, alone), embed(folder, tiny_run, alone)) == (0, 0)
    found = digests(folder / "images", folder / "embeddings")
    assert len(found) == 4 * 3 + 4 * 3 + 1
    return found


def test_the_same_files_though_a_worker_is_killed(
    engine: EngineConfig,
    prompts: pl.DataFrame,
    tiny_run: Path,
    wanted: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def with_a_death(work: RenderWork, *rest: Any) -> Any:
        return map_shards(Deadly(work, tmp_path / "deaths", at=1, times=1), *rest)

    monkeypatch.setattr(render_module, "map_shards", with_a_death)
    assert render(tmp_path, prompts, engine) == 0
    assert (tmp_path / "deaths").read_text() == "x"
    assert embed(tmp_path, tiny_run, engine) == 0
    assert digests(tmp_path / "images", tmp_path / "embeddings") == wanted


def test_the_same_files_from_shares(
    prompts: pl.DataFrame, tiny_run: Path, wanted: dict[str, str], tmp_path: Path
) -> None:
    shares = [EngineConfig(workers=1, share=share, shares=3) for share in range(3)]
    assert [render(tmp_path, prompts, share) for share in shares] == [2, 1, 0]
    assert sorted(path.name for path in (tmp_path / "images").glob("*_stats.json")) == [
        f"0000{number}_stats.json" for number in range(4)
    ]
    assert [embed(tmp_path, tiny_run, share) for share in reversed(shares)] == [3, 2, 0]
    assert digests(tmp_path / "images", tmp_path / "embeddings") == wanted


def test_workers_fill_an_index_as_one_process_does(engine: EngineConfig, tmp_path: Path) -> None:
    made = np.random.default_rng(1).standard_normal((3000, 16))
    write_matrix(tmp_path / "keys.npy", made, np.float16)
    keys, factory = open_matrix(tmp_path / "keys.npy"), "PCAW8,L2norm,IVF16,PQ4x4fs"
    filling = PartFill(tmp_path / "work", tmp_path / "keys.npy", "made", engine, part_rows=700)
    shared, alone = filling.fill(factory), fill(factory, keys)
    assert len(list((tmp_path / "work").rglob("codes_*.npy"))) == 5
    np.testing.assert_array_equal(
        load_faiss().serialize_index(shared), load_faiss().serialize_index(alone)
    )


def test_a_job_array_builds_what_one_process_builds(
    cli: Cli, tiny_run: Path, tmp_path: Path
) -> None:
    """Two processes at the same time; whoever comes last marks the stage as done."""
    run = tmp_path / "run"
    for part in ("corpus", "bundle/encoder", "stages"):
        shutil.copytree(tiny_run / part, run / part)
    for stage in ("images", "embed", "index", "fallback", "fit"):
        (run / "stages" / f"{stage}.json").unlink()
    (run / "images").mkdir()
    left_by_a_kill(run / "images" / "00001.tar")
    stages = ["--stage", "images", "--stage", "embed"]
    command = [sys.executable, "-m", "unprompt.ui.cli.main", "build", "scenes-tiny", "-o", str(run)]
    tasks = [
        subprocess.Popen([*command, *stages, "--shard", f"{task}/2"], stderr=subprocess.PIPE)
        for task in range(2)
    ]
    errors = [task.communicate(timeout=300)[1].decode() for task in tasks]
    assert [task.returncode for task in tasks] == [0, 0], errors
    assert read_json(run / "stages" / "images.json")["state"] == "done", errors
    for task in range(2):  # one of them found the other's pictures missing, and stopped there
        assert cli("build", "scenes-tiny", "-o", run, *stages, "--shard", f"{task}/2").code == 0
    assert read_json(run / "stages" / "embed.json") == read_json(tiny_run / "stages/embed.json")
    folders = "images", "embeddings", "corpus", "bundle/encoder"
    assert digests(*(run / f for f in folders)) == digests(*(tiny_run / f for f in folders))


@pytest.mark.parametrize(
    "options,said",
    [
        (["--shard", "0/2"], "is for the stages that are made of shards"),
        (["--shard", "0/2", "--stage", "images", "--retry-failed"], "without --retry-failed"),
        (["--shard", "0/2", "--stage", "images", "--overwrite"], "and --overwrite"),
        (["--shard", "2/2"], r"takes 0 <= i < n, got 2/2"),
        (["--shard", "one"], "takes I/N, such as 0/8, got 'one'"),
        (["--workers", "0"], "must be >= 1, got 0"),
        (["--workers", "4:x"], "takes N or MIN:MAX, got '4:x'"),
        (["--workers", "4:8"], "need `--engine ray`"),
        (["--workers", "8:4", "--engine", "ray"], "ends before it begins"),
        (["--engine", "dask"], "'local' or 'ray', got 'dask'"),
        (["--cpus-per-worker", "0"], "--cpus-per-worker must be > 0"),
    ],
)
def test_options_that_cannot_work(cli: Cli, tmp_path: Path, options: list[str], said: str) -> None:
    found = cli("build", "scenes-tiny", "-o", tmp_path / "run", *options)
    assert found.code == 1 and said in found.err, found.err
    assert not (tmp_path / "run").exists()


def test_the_address_in_the_environment_is_for_ray_alone() -> None:
    assert read_engine("local", None, None, None, "10.0.0.1:6379", None) == EngineConfig()
    found = read_engine("ray", "2:16", 4, 0.5, "auto", "3/8")
    assert found == EngineConfig("ray", 2, 16, 4.0, 0.5, "auto", 3, 8)


# --- who sits where


def slots(
    items: int = 100, devices: int = 0, processes: int = 1, **engine: Any
) -> list[WorkerSlot]:
    return plan_slots(EngineConfig(**engine), Demand(processes, devices), items)


def test_a_process_for_each_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert slots() == [WorkerSlot(None, None)], "in this process, with all cores"
    assert slots(processes=4) == [WorkerSlot(None, 2)] * 4
    assert slots(devices=1) == [WorkerSlot(None, None)]
    assert slots(devices=2) == [WorkerSlot((0,), 4), WorkerSlot((1,), 4)]
    assert slots(devices=4, items=3) == [WorkerSlot((n,), 2) for n in range(3)]
    assert slots(devices=4, gpus=2) == [WorkerSlot((0, 1), 4), WorkerSlot((2, 3), 4)]
    assert slots(devices=2, gpus=0.5) == [WorkerSlot((n,), 2) for n in (0, 0, 1, 1)]
    assert slots(devices=2, gpus=0, workers=2, cpus=3) == [WorkerSlot((), 3)] * 2
    assert slots(devices=2, workers=3)[2] == WorkerSlot((0,), 2), "a second one on the first"
    with pytest.raises(
        ConfigError, match="--gpus-per-worker 4 needs that many GPUs, this machine has 2"
    ):
        slots(devices=2, gpus=4)


@pytest.mark.parametrize("seen,given", [("", ["0", "1"]), ("5,GPU-abc", ["5", "GPU-abc"])])
def test_a_process_sees_its_own_gpu(
    seen: str, given: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", seen)
    found = dict(map_shards(Meet(tmp_path), items(2), EngineConfig(), Demand(devices=2)))
    assert sorted(found.values()) == given


# --- batch inversion


@pytest.fixture(scope="module")
def pictures(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A folder of 44 pictures and one that cannot be read, and a tar of 20 more."""
    from unprompt.index.images.shard_pictures import iterate_images

    folder = tmp_path_factory.mktemp("pictures")
    (folder / "some").mkdir()
    found = list(iterate_images(tiny_run / "images", 1))
    for key, content in found[:44]:
        (folder / "some" / f"{key}.jpg").write_bytes(content)
    (folder / "some" / "000010030x.png").write_bytes(b"not a picture")
    with tarfile.open(folder / "more.tar", "w") as tar:
        for key, content in found[44:64]:
            entry = tarfile.TarInfo(f"{key}.jpg")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return [str(folder / "some"), str(folder / "more.tar")]


@pytest.fixture
def invert(
    cli: Cli, tiny_run: Path, pictures: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Invert them in parts of one batch: two of 32 and one."""
    monkeypatch.setattr("unprompt.inversion.batch.parts.PART", 32)
    outputs = ["--output", tmp_path / "out.parquet", "--submission", tmp_path / "out.csv"]
    bundle = ["--bundle", tiny_run / "bundle", "--no-compose"]

    def run(*options: object) -> Any:
        return cli("invert", *pictures, *outputs, *bundle, *options)

    return run


@pytest.fixture(scope="module")
def answers(tiny_run: Path, pictures: list[str], tmp_path_factory: Any) -> tuple[Path, Path]:
    """What one process alone writes."""
    folder = tmp_path_factory.mktemp("answers")
    table, submission = folder / "out.parquet", folder / "out.csv"
    query = Query(5, compose=False)
    request = InvertRequest(
        tuple(pictures), tiny_run / "bundle", output=table, submission=submission, query=query
    )
    assert run_invert(request) == 1, "one cannot be read"
    return table, submission


def same(folder: Path, answers: tuple[Path, Path]) -> bool:
    """Whether the folder holds these two files and nothing else."""
    table, submission = answers
    assert pl.read_parquet(folder / "out.parquet").height == 65
    assert sorted(path.name for path in folder.iterdir()) == ["out.csv", "out.parquet"]
    return digests(folder) == {
        f"{folder.name}/{path.name}": digest_file(path) for path in (table, submission)
    }


def alike(one: Path, other: Path) -> bool:
    """Whether two tables say the same: sums round by the number of threads that share them."""
    first, second = pl.read_parquet(one), pl.read_parquet(other)
    said = ["image", "image_id", "status", "error_message", "prompt", "outside"]
    vectors = [table["vector"].drop_nulls().to_numpy() for table in (first, second)]
    return first.select(said).equals(second.select(said)) and np.allclose(*vectors, atol=1e-6)


def test_the_same_answers(
    engine: EngineConfig, invert: Callable[..., Any], answers: tuple[Path, Path], tmp_path: Path
) -> None:
    found = invert("--engine", engine.name, "--workers", 2)
    assert (found.code, found.out) == (1, "") and "65 rows" in found.err, found.err
    assert alike(tmp_path / "out.parquet", answers[0])


def test_the_same_answers_from_shares_and_one_process_after_them(
    invert: Callable[..., Any], answers: tuple[Path, Path], tmp_path: Path
) -> None:
    parts = tmp_path / "out.parquet.parts"
    found = invert("--shard", "2/3")
    assert found.code == 0 and "2 parts are left to other processes" in found.err
    made = written(parts / "00002.jsonl")
    found = invert("--shard", "1/3", "--workers", 1)
    assert found.code == 0 and "1 parts are left" in found.err
    assert written(parts / "00002.jsonl") == made, "what is there is kept"
    found = invert()
    assert found.code == 1 and "65 rows" in found.err
    assert same(tmp_path, answers)
    found = invert("--shard", "0/3")
    assert found.code == 0 and "exists already" in found.err


def test_a_killed_batch_keeps_its_finished_parts(
    invert: Callable[..., Any],
    answers: tuple[Path, Path],
    pictures: list[str],
    tiny_run: Path,
    tmp_path: Path,
) -> None:
    """SIGKILL after the first part of three; then one share, then one process for the rest."""
    code = (
        "import unprompt.inversion.batch.parts as parts; parts.PART = 32\n"
        "from unprompt.ui.cli.main import main; main()"
    )
    outputs = ["--output", tmp_path / "out.parquet", "--submission", tmp_path / "out.csv"]
    options = [*outputs, "--bundle", tiny_run / "bundle", "--no-compose"]
    command = [sys.executable, "-c", code, "invert", *pictures, *map(str, options)]
    parts = tmp_path / "out.parquet.parts"
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not (parts / "00000.jsonl").exists():
            time.sleep(0.001)
        process.kill()
    left = [path.name for path in tmp_path.iterdir() if path.suffix != ".lock"]
    assert process.returncode == -9 and left == [parts.name]
    assert not (parts / "00002.jsonl").exists(), "killed too late to prove anything"
    first = written(parts / "00000.jsonl")
    found = invert("--shard", "2/3")
    assert found.code == 0 and "left to other processes" in found.err
    assert written(parts / "00000.jsonl") == first, "what is finished is not made again"
    found = invert()
    assert found.code == 1 and "going on after" in found.err
    assert same(tmp_path, answers)


def test_parts_of_other_settings_are_refused(invert: Callable[..., Any], tmp_path: Path) -> None:
    assert invert("--shard", "2/3").code == 0
    found = invert("--shard", "0/3", "--top-k", 7)
    assert found.code == 1 and "00002.jsonl was left by a batch with another" in found.err
    assert [path.name for path in (tmp_path / "out.parquet.parts").iterdir()] == ["00002.jsonl"]


def test_every_kind_of_input_travels(pictures: list[str], tmp_path: Path) -> None:
    rows = {"image": [Path(pictures[0], "000010000.jpg").read_bytes(), b"", None]}
    pl.DataFrame(rows).write_parquet(tmp_path / "some.parquet")
    (tmp_path / "broken.tar").write_bytes(b"no tar")
    names = [*pictures, str(tmp_path / "some.parquet"), str(tmp_path / "broken.tar")]
    found = list(find_pictures(names))
    travelled = pickle.loads(pickle.dumps(found))
    assert len(found) == 65 + 3 + 1

    def opened(picture: Any) -> Any:
        try:
            opened = picture.open()
            return picture.name, opened.image.tobytes(), opened.metadata_prompt
        except UnreadableImageError as error:
            return picture.name, str(error)

    assert [opened(picture) for picture in travelled] == [opened(picture) for picture in found]


def test_engines_are_for_files(cli: Cli, pictures: list[str]) -> None:
    found = cli("invert", *pictures, "--workers", 2)
    assert found.code == 1 and "need --output or --submission" in found.err


# --- Ray itself


def test_ray_listens_on_this_machine_only(ray: Any) -> None:
    """Sockets of this process and of all that it started, from /proc."""
    if not Path("/proc/net/tcp").exists():
        pytest.skip("no /proc on this system")
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    family = {os.getpid()}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    sockets = set()
    for process in family:
        with suppress(OSError):
            sockets |= {os.readlink(path) for path in Path(f"/proc/{process}/fd").iterdir()}
    listening = []
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            (
                _,
                local,
                _,
                state,
                *_,
            ) = fields = line.split()
            if state == "0A" and f"socket:[{fields[9]}]" in sockets:
                listening.append(local.partition(":")[0])
    assert len(listening) >= 4
    assert set(listening) <= {"0100007F", "0000000000000000FFFF00000100007F"}


def test_a_ray_of_its_own_says_nothing(tiny_run: Path, pictures: list[str], tmp_path: Path) -> None:
    """As a user runs it: a process that starts Ray, and leaves no process behind."""
    command = [sys.executable, "-m", "unprompt.ui.cli.main", "invert", pictures[1], "--no-compose"]
    options = ["--engine", "ray", "-b", tiny_run / "bundle", "--output", tmp_path / "out.csv"]
    found = subprocess.run(
        [*command, *map(str, options)], capture_output=True, text=True, timeout=300
    )
    assert (found.returncode, found.stdout) == (0, "")
    said = [line for line in found.stderr.splitlines() if "logging.cc" not in line]
    *progress, last, written = [line.partition(",")[0] for line in said]
    assert (last, written) == ("invert: 20/20", f"20 rows -> {tmp_path / 'out.csv'}")
    assert progress in ([], ["invert: 1/20"]), "a line more after five seconds"


def test_a_cluster_that_is_not_there(tiny_run: Path, pictures: list[str], tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "unprompt.ui.cli.main",
        "invert",
        pictures[1],
        "--engine",
        "ray",
    ]
    options = ["--ray-address", "127.0.0.1:9", "-b", tiny_run / "bundle", "-o", tmp_path / "o.csv"]
    found = subprocess.run(
        [*command, *map(str, options)], capture_output=True, text=True, timeout=300
    )
    assert found.returncode == 1 and found.stderr.startswith(
        "unprompt: no Ray cluster answers at 127.0.0.1:9 ("
    ), found.stderr


def test_without_ray(tiny_run: Path, pictures: list[str], tmp_path: Path) -> None:
    code = "import sys; sys.modules['ray'] = None; from unprompt.ui.cli.main import main; main()"
    options = ["--engine", "ray", "-b", tiny_run / "bundle", "--output", tmp_path / "out.csv"]
    found = subprocess.run(
        [sys.executable, "-c", code, "invert", pictures[1], *map(str, options)],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert found.returncode == 1 and "Traceback" not in found.stderr
    assert "run `pip install 'unprompt[ray]'`" in found.stderr
    assert not list(tmp_path.iterdir())


def test_more_than_there_is(ray: Any) -> None:
    with pytest.raises(
        ConfigError, match="a worker needs 64 CPUs and 0 GPUs, Ray has 2 CPU, 0 GPU"
    ):
        list(map_shards(Square(), items(2), EngineConfig("ray", cpus=64)))
