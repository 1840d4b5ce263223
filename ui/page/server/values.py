"""Values as a client sent them, of any type and size -> checked, or a ConfigError."""

import math
from typing import Any

from unprompt.index.base.errors import ConfigError
from unprompt.ui.page.server.limits import MAX_TEXT


def check_number(name: str, value: Any, low: float, high: float, whole: bool = False) -> float:
    """`value` if it is a number from `low` to `high`; a whole one if asked for."""
    number = type(value) in (int, float)
    if not (number and low <= value <= high and math.isfinite(value) and not (whole and value % 1)):
        kind = "a whole number" if whole else "a number"
        raise ConfigError(f"{name}: wanted {kind} from {low:g} to {high:g}, got {short(value)}")
    return value  # type: ignore[no-any-return]


def check_text(name: str, value: Any) -> str:
    """`value` if it is a text of at most MAX_TEXT characters."""
    if not isinstance(value, str):
        raise ConfigError(f"{name}: wanted a text, got {short(value)}")
    if len(value) > MAX_TEXT:
        raise ConfigError(f"{name}: wanted at most {MAX_TEXT:,} characters, got {len(value):,}")
    return value


def short(value: Any) -> str:
    """A value for a message: its start, or its type if it is no text or number."""
    if isinstance(value, str | int | float):
        return ascii(value)[:40]
    return type(value).__name__
