"""A plain mapping -> frozen settings; unknown keys and wrong types become one ConfigError."""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from unprompt.index.base.errors import ConfigError

STRICT = ConfigDict(extra="forbid")
BYTE_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}

T = TypeVar("T")


def read_settings(kind: type[T], mapping: Mapping[str, Any], origin: str) -> T:
    """`mapping` as the pydantic dataclass `kind`; raises ConfigError that lists every error."""
    if not isinstance(mapping, Mapping):
        raise ConfigError(f"{origin} must hold settings by name, got {mapping!r}")
    try:
        return TypeAdapter(kind).validate_python(dict(mapping))
    except ValidationError as error:
        raise ConfigError(f"{origin} has settings that cannot work:\n{_faults(error)}") from error


def write_settings(settings: Any) -> dict[str, Any]:
    """Settings as JSON-ready values, the inverse of `read_settings`."""
    return TypeAdapter(type(settings)).dump_python(settings, mode="json")


def with_preset(value: Any, presets: Mapping[str, Mapping[str, Any]], section: str) -> Any:
    """Expand the name of a preset, or settings on top of the preset that they name as `preset`.

    Any other value is returned unchanged. Raises ConfigError for an unknown preset.
    """
    if isinstance(value, str):
        value = {"preset": value}
    if not isinstance(value, Mapping) or "preset" not in value:
        return value
    given = {name: setting for name, setting in value.items() if name != "preset"}
    if value["preset"] not in presets:
        raise ConfigError(
            f"{section}.preset must be one of {', '.join(presets)}, got {value['preset']!r}"
        )
    return {**presets[value["preset"]], **given}


def parse_bytes(amount: int | str, name: str) -> int:
    """`4G`, `512M` or a number of bytes -> bytes; raises ConfigError naming the setting."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", str(amount).strip(), re.I)
    found = round(float(match[1]) * BYTE_UNITS[match[2].upper()]) if match else 0
    if found < 1:
        raise ConfigError(f"{name} must be bytes or an amount like 4G or 512M, got {amount!r}")
    return found


def format_bytes(count: int) -> str:
    """A number of bytes for people, in the units of `parse_bytes`."""
    unit = next((unit for unit in "TGM" if count >= BYTE_UNITS[unit]), "K")
    return f"{count / BYTE_UNITS[unit]:.3g}{unit}"


def _faults(error: ValidationError) -> str:
    lines = []
    for fault in error.errors():
        place = ".".join(str(part) for part in fault["loc"]) or "(all)"
        got = fault["input"]
        shown = f", got {got!r}" if isinstance(got, str | int | float | bool | None) else ""
        lines.append(f"  {place}: {fault['msg']}{shown}")
    return "\n".join(lines)
