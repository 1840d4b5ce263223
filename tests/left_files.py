"""What a killed process leaves behind, for tests."""

from pathlib import Path

from unprompt.index.base.processes.temporary import own_host

NOBODY = 4_194_305  # above the highest process id of Linux


def left_by_a_kill(path: Path, content: bytes = b"half a file") -> Path:
    """Write a temporary file of `path` as a writer on this host that is dead."""
    left = path.with_name(f"{path.name}.{own_host()}-{NOBODY}-0a1b2c.tmp")
    left.write_bytes(content)
    return left
