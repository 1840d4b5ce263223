"""Names of columns, keys or fields of fields -> the one that holds captions."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from unprompt.index.captions.texts import DEEPEST


def find_name(names: Sequence[str], wanted: Sequence[str]) -> str | None:
    """The first of `wanted` among `names`, in any case; None if there is none.

    A field of a struct, named with dots, is found by its whole name or by its last part, after
    the names without a dot.
    """
    whole = {name.strip().lower(): name for name in reversed(names)}
    last = {
        name.strip().lower().rpartition(".")[2]: name for name in reversed(names) if "." in name
    }
    for found in (whole, last):
        for name in wanted:
            if name.lower() in found:
                return found[name.lower()]
    return None


def fields_below(schema: Mapping[str, pl.DataType]) -> dict[str, pl.DataType]:
    """All columns, and the fields of structs by names with dots, in order."""
    return dict(_fields(schema, "", 0))


def fields_of(kind: pl.DataType) -> dict[str, pl.DataType]:
    """The fields of a struct by name; empty for any other type."""
    found = kind.to_schema() if isinstance(kind, pl.Struct) else {}
    return {name: instance_of(inner) for name, inner in found.items()}


def instance_of(kind: Any) -> pl.DataType:
    """A type of polars that may be given as a class, as an instance."""
    return kind if isinstance(kind, pl.DataType) else kind()


def _fields(
    schema: Mapping[str, pl.DataType], above: str, depth: int
) -> Iterator[tuple[str, pl.DataType]]:
    inner = []
    for name, kind in schema.items():
        yield above + name, kind
        if isinstance(kind, pl.Struct) and depth < DEEPEST:
            inner.append((f"{above}{name}.", fields_of(kind)))
    for below, fields in inner:
        yield from _fields(fields, below, depth + 1)


def keys_below(value: Mapping[str, object], above: str = "") -> list[str]:
    """All keys of a JSON object, and those of objects in it by names with dots."""
    names = [above + name for name in value]
    if above.count(".") < DEEPEST:
        for name, inner in value.items():
            if isinstance(inner, Mapping):
                names += keys_below(inner, f"{above}{name}.")
    return names


def field_of(columns: Sequence[str], name: str) -> pl.Expr:
    """The expression for a column, or for a field of a struct by its name with dots."""
    if name in columns:
        return pl.col(name)
    top = max(
        (column for column in columns if name.startswith(f"{column}.")), key=len, default=name
    )
    found = pl.col(top)
    for part in name.removeprefix(f"{top}.").split(".") if top != name else ():
        found = found.struct.field(part)
    return found.alias(name)
