"""The collected cases in ../shared: the prompt of every file is the expected one."""

import json
from pathlib import Path

import pytest

from unprompt.index.metadata.picture_metadata import read_metadata

CASES = Path(__file__).parents[2] / "shared" / "cases"
EXPECTED = CASES / "metadata" / "expected.jsonl"
ROWS = [json.loads(line) for line in EXPECTED.read_text().splitlines()] if EXPECTED.exists() else []
NO_CASES = f"no {CASES / 'metadata'}: the collected cases are not at hand"


@pytest.mark.skipif(not ROWS, reason=NO_CASES)
def test_every_collected_case() -> None:
    wrong = {}
    for row in ROWS:
        found = read_metadata(EXPECTED.parent / row["file"])
        prompt = found and found.prompt
        if "holds" in row:
            right = all(part in (prompt or "") for part in row["holds"])
        else:
            right = prompt == row["prompt"]
        if not right:
            wrong[row["file"]] = prompt
    assert not wrong, f"{len(wrong)} of {len(ROWS)}"


@pytest.mark.skipif(not ROWS, reason=NO_CASES)
def test_hostile_cases_cost_nothing() -> None:
    files = sorted((CASES / "hostile").rglob("*.png"))
    assert files
    for path in files:
        read_metadata(path)
