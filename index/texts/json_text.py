"""A value -> JSON that every parser takes: no NaN, no lone surrogate, nothing that hides."""

import json
import math
from typing import Any

from unprompt.index.texts.visible import visible


def json_text(value: Any, indent: int | None = None) -> str:
    """The value as JSON; numbers that are not finite are null, hidden characters are escaped."""
    try:
        text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(value), indent=indent, ensure_ascii=False, allow_nan=False)
    return visible(text)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return value
