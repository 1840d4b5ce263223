"""Threads that use OpenVINO together, also for the first time in a process: all get answers."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from unprompt.index.runtime.compiled import NO_DIGESTS, SavedGraph, compile_graph, load_openvino

THREADS = 4
LIMIT_S = 300  # a process takes about a second
RACE = """
import faulthandler, sys, threading, time
from pathlib import Path
import numpy as np
from unprompt.index.runtime.compiled import NO_DIGESTS, SavedGraph, compile_graph, load_core
from unprompt.index.runtime.infer_pool import TextPool

graph, first, threads = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
faulthandler.dump_traceback_later(int(sys.argv[4]), exit=True)
saved = SavedGraph(graph, graph.with_suffix(".bin"), NO_DIGESTS, "f32")
sys.setswitchinterval(1e-6)
shared = TextPool(saved, threads) if first == "infer" else None
together = threading.Barrier(threads)
cores, answers = [], []

def give_way(*_):
    time.sleep(1e-5)  # another thread runs at every call of a function, from C++ too

def use():
    together.wait()
    if first == "load":
        cores.append(load_core())
    else:
        sys.setprofile(give_way)
    network = shared or compile_graph(saved, None)
    words, mask = np.ones((2, 3, 4), dtype=np.float32), np.ones((2, 3), dtype=np.int64)
    answers.append(np.array(network(words, mask)).reshape(2, 4).tolist())

racing = [threading.Thread(target=use) for _ in range(threads)]
for thread in racing:
    thread.start()
for thread in racing:
    thread.join()
assert answers == [[[3.0] * 4] * 2] * threads, answers
assert len(set(map(id, cores))) <= 1
print("done")
"""


LIBRARY = """
import faulthandler, sys, threading
from PIL import Image
import unprompt

faulthandler.dump_traceback_later(int(sys.argv[1]), exit=True)
sys.setswitchinterval(1e-6)
together = threading.Barrier(3)
vectors, shared = [], []

def use():
    together.wait()
    inverter = unprompt.load()
    shared.append(inverter)
    answer = inverter.invert(Image.new("RGB", (40, 30), "red"), unprompt.Query(compose=False))
    together.wait()
    other = shared[0].invert(Image.new("RGB", (40, 30), "red"), unprompt.Query(compose=False))
    vectors.extend([answer.vector.tobytes(), other.vector.tobytes()])

racing = [threading.Thread(target=use) for _ in range(3)]
for thread in racing:
    thread.start()
for thread in racing:
    thread.join()
assert len(vectors) == 6 and len(set(vectors)) == 1, len(vectors)
print("done")
"""


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Embeddings (n, t, 4) and mask (n, t) -> the sums (n, 4) of the embeddings in the mask."""
    openvino = load_openvino()
    from openvino import opset13

    words = opset13.parameter([-1, -1, 4], openvino.Type.f32)
    mask = opset13.parameter([-1, -1], openvino.Type.i64)
    weights = opset13.unsqueeze(opset13.convert(mask, "f32"), [2])
    summed = opset13.reduce_sum(opset13.multiply(words, weights), [1])
    path = tmp_path_factory.mktemp("graph") / "tower.xml"
    openvino.save_model(openvino.Model([summed], [words, mask]), path)
    return path


@pytest.mark.parametrize("first", ["load", "infer"])
def test_threads_that_use_openvino_first_together_all_finish(graph: Path, first: str) -> None:
    command = [sys.executable, "-c", RACE, graph, first, str(THREADS), str(LIMIT_S)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=2 * LIMIT_S)
    assert run.stdout == "done\n", run.stderr


@pytest.mark.slow
def test_threads_that_load_the_library_together_all_get_answers() -> None:
    """Each its own inverter, then all the same one."""
    command = [sys.executable, "-c", LIBRARY, str(LIMIT_S)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=2 * LIMIT_S)
    assert run.stdout == "done\n", run.stderr


def test_threads_share_a_network(graph: Path) -> None:
    network = compile_graph(SavedGraph(graph, graph.with_suffix(".bin"), NO_DIGESTS, "f32"), None)
    mask = np.ones((1, 500), dtype=np.int64)
    words = [np.full((1, 500, 4), number, dtype=np.float32) for number in range(100)]
    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(lambda word: network(word, mask)[0], words))
    assert [vector.tolist() for vector in found] == [[[500.0 * n] * 4] for n in range(100)]
