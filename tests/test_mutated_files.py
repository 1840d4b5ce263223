"""A few mutated files of every kind; tests/mutated_files.py runs hundreds."""

import re
import subprocess
import sys
from pathlib import Path


def test_mutated_files_are_answered_with_or_refused() -> None:
    """In a process of its own: native code that crashes would end this one."""
    script = Path(__file__).with_name("mutated_files.py")
    run = subprocess.run(
        [sys.executable, str(script), "--faiss", "30", "--others", "28"],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-2000:]
    counts = re.findall(r"^(?:FAISS|others): \{(.*)\}\n(?=(.*))", run.stdout, re.MULTILINE)
    assert len(counts) == 2
    for outcome, after in counts:
        assert set(re.findall(r"'(\w+)'", outcome)) <= {"answered", "refused"}, run.stdout
        assert not after.startswith("  "), run.stdout
    assert int(re.search(r"peak (\d+) MB", run.stdout)[1]) < 600  # type: ignore[index]
