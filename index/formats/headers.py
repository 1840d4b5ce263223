"""The first records of a table -> whether it has a header, and which column holds the prompts."""

import re
from collections.abc import Sequence

from unprompt.index.captions.texts import CAPTIONS

NAME = re.compile(r"[^\W\d][\w.:/#()\-]*( [\w.:/#()\-]+)?")  # one or two words
LONGEST_NAME = 60
KNOWN = re.compile(r"\b(prompt|caption|text|description|title)s?\b", re.I)
URL = re.compile(r"\w+://|www\.", re.I)


def is_header(first: Sequence[str], wanted: str | None = None) -> bool:
    """Whether the first record of a table names its columns.

    It does where it holds a known name of captions, or `wanted`. Else each of its cells must look
    like a name; the only cell of a table must be one word.
    """
    names = [cell.strip() for cell in first]
    low = {name.lower() for name in names}
    if low & {*CAPTIONS, (wanted or CAPTIONS[0]).lower()}:
        return True
    if not any(names):
        return True
    if len(names) == 1:
        return " " not in names[0] or _is_known(names[0])
    return all(not name or _is_name(name) for name in names)


def longest_column(records: Sequence[Sequence[str]]) -> int:
    """The column with the longest texts that are no URLs, by the mean of their letters."""
    width = min(len(record) for record in records)

    def letters(column: int) -> float:
        cells = [record[column] for record in records]
        return sum(len(cell) for cell in cells if not URL.match(cell.strip())) / len(cells)

    return max(range(width), key=letters)


def is_table(records: Sequence[Sequence[str]]) -> bool:
    """Whether records without a header have columns: all as many, and more than one."""
    widths = {len(record) for record in records}
    return len(widths) == 1 and widths != {1}


def _is_name(text: str) -> bool:
    return len(text) <= LONGEST_NAME and NAME.fullmatch(text) is not None and not URL.match(text)


def _is_known(text: str) -> bool:
    return len(text) <= LONGEST_NAME and "," not in text and KNOWN.search(text) is not None
