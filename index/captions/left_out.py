"""What a reader left out -> one line: counts by reason, each with its first example."""

from collections.abc import Iterable

REASONS, LONGEST = 4, 200  # that are shown; characters of an example


def say_left_out(what: str, rows: Iterable[tuple[str, str]]) -> str:
    """Counts of (name, reason) rows by reason, each with the first name; "" without rows.

    `what` is one of them in words, such as picture.
    """
    counts: dict[str, int] = {}
    first: dict[str, str] = {}
    for name, reason in rows:
        kind = reason.replace(name, "...") if name else reason
        counts[kind] = counts.get(kind, 0) + 1
        first.setdefault(kind, name)
    if not counts:
        return ""
    total = sum(counts.values())
    often = sorted(counts, key=lambda kind: -counts[kind])
    shown = [f"{counts[kind]} {kind[:LONGEST]} (first: {first[kind]})" for kind in often[:REASONS]]
    others = sum(counts[kind] for kind in often[REASONS:])
    more = [f"{others} for other reasons"] if others else []
    plural = "" if total == 1 else "s"
    return f"{total} {what}{plural} left out: {'; '.join([*shown, *more])}"
