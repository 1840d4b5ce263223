"""Ctrl-C and SIGTERM end a command soon, whatever it does; workers end with it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
LIMIT_S = 60  # for a hang; a stop takes one second
BEGIN = """
import os, sys, time
from unprompt.index.base.processes import stopping
from unprompt.index.base.processes.stopping import last_act, run_obeying
"""
PATIENT = f"stopping.GRACE_S = {LIMIT_S / 4}\n"  # a slow machine still ends by itself
END = "\nrun_obeying(command)\n"
READY = "print('ready', flush=True)"
COMMANDS = {
    "cleans up": f"""
def command():
    try:
        {READY}
        time.sleep({LIMIT_S})
    finally:
        print('cleaned', flush=True)
""",
    "has an end that a caller swallows": f"""
def command():
    try:
        {READY}
        time.sleep({LIMIT_S})
    except BaseException:
        print('cleaned', flush=True)
""",
    "does not listen": f"""
def command():
    end = time.monotonic() + {LIMIT_S}
    ready = False
    with last_act(lambda: os.write(1, b'cleaned')):
        while time.monotonic() < end:
            try:
                if not ready:
                    ready = True
                    {READY}
                time.sleep({LIMIT_S})
            except BaseException:
                pass
""",
    "waits, with polars imported": f"""
import polars, threading
def command():
    import concurrent.futures
    future = concurrent.futures.Future()
    try:
        {READY}
        concurrent.futures.wait([future])
    finally:
        print('cleaned', flush=True)
""",
    "reports what threads and destructors meet": f"""
import threading
class Loud:
    def __del__(self):
        raise ValueError('loud')
def command():
    try:
        {READY}
        time.sleep({LIMIT_S})
    finally:
        Loud()
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
        print('cleaned', flush=True)
""",
    "has ended a forked worker before": f"""
import signal
def command():
    child = os.fork()
    if child == 0:
        signal.pause()
    os.kill(child, signal.SIGTERM)
    os.waitpid(child, 0)
    time.sleep(0.2)
    try:
        {READY}
        time.sleep({LIMIT_S})
    finally:
        print('cleaned', flush=True)
""",
}


def start(code: str) -> subprocess.Popen[str]:
    """A process that runs `code` and has said that it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("name", COMMANDS)
def test_a_signal_ends_a_command_that(name: str) -> None:
    number = signal.SIGTERM if name in ("cleans up", "does not listen") else signal.SIGINT
    process = start(BEGIN + PATIENT * (name != "does not listen") + COMMANDS[name] + END)
    process.send_signal(number)
    out, errors = process.communicate(timeout=LIMIT_S / 2)
    assert process.returncode == 128 + number
    assert errors == "unprompt: stopped; run the same command again to continue\n"
    assert out.strip() == "cleaned"


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    code = f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n{BEGIN}"
    process = start(f"{code}def command():\n    {READY}\n    time.sleep(0.5)\n{END}")
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=LIMIT_S)[1] == "" and process.returncode == 0


POOL = """
import os, sys, time
from dataclasses import dataclass
from unprompt.index.engines.engine import EngineConfig, map_shards
from unprompt.index.base.processes.stopping import run_obeying
from engine_works import Sleep

def command():
    for _ in map_shards(Sleep(sys.argv[1]), {n: n for n in range(4)}, EngineConfig(workers=2)):
        pass

if __name__ == "__main__":
    run_obeying(command)
"""


def working(folder: Path) -> list[int]:
    """The ids of the workers that have begun, as their files say."""
    return [int(path.name) for path in folder.iterdir() if path.name.isdigit()]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_their_parent(tmp_path: Path, number: signal.Signals) -> None:
    program = tmp_path / "program.py"
    program.write_text(POOL)
    process = subprocess.Popen(
        [sys.executable, str(program), str(tmp_path)], stderr=subprocess.PIPE, text=True,
        start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        env={**os.environ, "PYTHONPATH": f"{TESTS}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
    )  # fmt: skip
    end = time.monotonic() + LIMIT_S
    while len(working(tmp_path)) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.send_signal(number)
    _, errors = process.communicate(timeout=LIMIT_S / 2)
    workers = working(tmp_path)
    assert len(workers) == 2
    while any(map(runs, workers)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(map(runs, workers))
    if number == signal.SIGINT:
        assert process.returncode == 130 and errors.count("\n") == 1, errors


def runs(process: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
