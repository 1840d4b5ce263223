"""Many visitors of the page at once, with bad files, cancels and closed tabs: what becomes of it.

`python benchmarks/page_visitors.py --visitors 20 --tabs 3 --seconds 120` -> JSON on stdout. The
page runs in a process of its own. Some visitors are tabs of Chromium, the others ask by HTTP; each
takes random steps. The report counts the outcomes of each step, and gives the memory of the server
over time, what lies on disk while it runs and after its stop, and what it wrote to standard error.
A request that is neither answered nor refused with a reason counts as `bad`.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import page_rate
from page_steps import HttpVisitor
from page_tabs import visit_in_tabs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visitors", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--tabs", type=int, default=1, help="visitors that are tabs of Chromium")
    parser.add_argument("--bundle", type=Path, help="the starter without it")
    asked = parser.parse_args()
    options = ["--bundle", str(asked.bundle)] if asked.bundle else []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "tmp").mkdir()
        pictures = page_rate.draw_pictures(folder)
        with (folder / "errors").open("w") as errors:
            found = attend(folder, pictures, asked, options, errors)
        found["stderr"] = (folder / "errors").read_text().splitlines()[:20]
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


def attend(folder: Path, pictures: list[Path], asked: Any, options: list[str], errors: Any) -> Any:
    """Start the page, let all visitors come, stop it; what was seen."""
    process, url = start(folder, options, errors)
    outcomes: Counter[str] = Counter()
    slowest: dict[str, float] = {}
    end = time.monotonic() + asked.seconds
    memory: list[int] = []
    disk: list[int] = []
    visitors = [
        HttpVisitor(url, pictures, seed, outcomes, slowest)
        for seed in range(asked.visitors - asked.tabs)
    ]
    threads = [threading.Thread(target=one.stay, args=(end,)) for one in visitors]
    if asked.tabs:
        tabs = (url, pictures, asked.tabs, end, outcomes, slowest)
        threads.append(threading.Thread(target=visit_in_tabs, args=tabs))
    for thread in threads:
        thread.start()
    while time.monotonic() < end:
        time.sleep(1)
        memory.append(resident_mb(process.pid))
        disk.append(size_mb(folder / "tmp"))
    for thread in threads:
        thread.join()
    process.send_signal(signal.SIGTERM)
    begun = time.monotonic()
    code = process.wait(timeout=30)
    quarter = max(1, len(memory) // 4)
    return {
        "outcomes": dict(sorted(outcomes.items())),
        "bad": sum(count for name, count in outcomes.items() if ": bad" in name),
        "slowest_seconds": {name: round(took, 1) for name, took in sorted(slowest.items())},
        "memory_mb": {
            "quarters": [
                round(statistics.median(memory[place : place + quarter]))
                for place in range(0, 4 * quarter, quarter)
            ],
            "peak": max(memory),
        },
        "disk_mb": max(disk),
        "stop": {"code": code, "seconds": round(time.monotonic() - begun, 1)},
        "left": sorted(path.name for path in (folder / "tmp").iterdir()),
    }


def start(folder: Path, options: list[str], errors: Any) -> tuple[Any, str]:
    """The page's process, with a temporary folder of its own, and its URL."""
    command = [
        sys.executable,
        "-c",
        page_rate.COMMAND,
        "demo",
        "--port",
        "0",
        "--no-open",
        *options,
    ]
    environment = os.environ | {"TMPDIR": str(folder / "tmp")}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
    )
    assert process.stdout is not None
    return process, process.stdout.readline().split(" at ")[1].split()[0]


def resident_mb(process: int) -> int:
    """The memory of a process now."""
    status = Path(f"/proc/{process}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) // 1024


def size_mb(folder: Path) -> int:
    """The size of all files in a folder, which come and go."""
    size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            size += path.stat().st_size if path.exists() else 0
    return size // 2**20


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
