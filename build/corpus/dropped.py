"""The counts of what a corpus was read from -> lines that say what was left out."""

from collections.abc import Iterator, Mapping
from typing import Any

from unprompt.index.formats.tally import BLANK, MALFORMED

USUAL = {"repeated", "not drawn", BLANK}  # no fault of the files


def say_dropped(report: Mapping[str, Any]) -> Iterator[str]:
    """A line for each source of the report `read` that lost rows by a fault, with the first one."""
    for counts in report.get("collections", [report]):
        dropped = dict(counts.get("dropped", {}))
        if counts.get("malformed"):
            dropped[MALFORMED] = counts["malformed"]
        if counts.get("undecodable"):
            dropped["not UTF-8, kept as Windows-1252 or with U+FFFD"] = counts["undecodable"]
        faults = {reason: count for reason, count in dropped.items() if reason not in USUAL}
        if faults:
            place = f"{counts['source']}: " if "source" in counts else ""
            listed = ", ".join(f"{count} {reason}" for reason, count in faults.items())
            first = counts.get("faults") or []
            yield f"{place}{listed}" + (f"; the first: {first[0]}" if first else "")
