"""Frozen settings from plain mappings: unknown keys and wrong types become one ConfigError."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from unprompt.index.base.errors import ConfigError

STRICT = ConfigDict(extra="forbid")

T = TypeVar("T")


def read_settings(kind: type[T], mapping: Mapping[str, Any], origin: str) -> T:
    """`mapping` as a pydantic dataclass `kind`; raises ConfigError with all faults."""
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
    """A preset's name, or settings on top of the one they name as `preset`, as plain settings.

    What is neither comes back as it is. Raises ConfigError for a name that is no preset's.
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


def _faults(error: ValidationError) -> str:
    lines = []
    for fault in error.errors():
        place = ".".join(str(part) for part in fault["loc"]) or "(all)"
        got = fault["input"]
        shown = f", got {got!r}" if isinstance(got, str | int | float | bool | None) else ""
        lines.append(f"  {place}: {fault['msg']}{shown}")
    return "\n".join(lines)
