"""Bytes of a JSON file -> its value, within limits of depth and of numbers.

Python's own reader follows nesting until the stack ends, refuses numbers of 5,000 digits with
another error, and takes NaN and 1e999. A file of strangers may hold all of them.
"""

import json
import math
import re
from typing import Any

from unprompt.index.base.errors import DamagedFileError

MAX_BYTES = 16 * 2**20  # short values take up to twenty times as much memory
MAX_DEPTH = 32
MAX_DIGITS = 40  # of one number; a float64 has 17, with its sign and exponent 24
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse_json(content: bytes, origin: str) -> Any:
    """The value of a JSON text in UTF-8, with finite numbers and whole characters only.

    Raises DamagedFileError that names `origin`.
    """
    try:
        text = content.decode("utf-8")
        value = json.loads(
            text, parse_int=_integer, parse_float=_float, parse_constant=_no_constant
        )
        if SURROGATE.search(text):  # half of a character can be written nowhere
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except RecursionError as error:
        raise _invalid(origin, "it is nested too deep") from error
    except ValueError as error:
        raise _invalid(origin, _shorten(error)) from error
    if not _is_shallow(value):
        raise _invalid(origin, f"it is nested more than {MAX_DEPTH} deep")
    return value


def _is_shallow(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [
            child
            for parent in level
            if isinstance(parent, dict | list)
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        if not level:
            return True
    return False


def _integer(text: str) -> int:
    _check_length(text)
    return int(text)


def _float(text: str) -> float:
    _check_length(text)
    found = float(text)
    if not math.isfinite(found):
        raise ValueError(f"the number {text} is too large")
    return found


def _check_length(text: str) -> None:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a number has {len(text)} characters, at most {MAX_DIGITS} are read")


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _shorten(error: ValueError) -> str:
    if isinstance(error, UnicodeError):
        return "it holds what is no text in UTF-8"
    return str(error)[:200]


def _invalid(origin: str, reason: str) -> DamagedFileError:
    return DamagedFileError(f"{origin} is not valid JSON ({reason}); make it again")
