"""Bytes in the compact protocol of Thrift -> numbers, texts, lists and structs, bounded.

Parquet writes its footer and the headers of its pages this way. A struct is a dict by field id.
"""

from typing import Any

DEEPEST = 16  # structs and lists in one another; a footer has five
LONGEST_KEPT = 1024  # bytes of a text; longer ones, such as statistics, are skipped

Struct = dict[int, Any]
_TRUE, _FALSE, _BYTE, _DOUBLE, _TEXT, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12
_INTEGERS = (4, 5, 6)


class CompactReader:
    """Reads one struct from `data`; `most` bounds the number of values. Raises ValueError."""

    def __init__(self, data: bytes, start: int = 0, most: int = 4_000_000):
        self.place = start
        self._data = data
        self._left = most

    def struct(self, depth: int = 0) -> Struct:
        """The next struct."""
        if depth > DEEPEST:
            raise ValueError("its header is nested too deeply")
        found: Struct = {}
        field = 0
        while head := self._byte():
            kind = head & 15
            field = field + (head >> 4) if head >> 4 else self._signed()
            found[field] = kind == _TRUE if kind in (_TRUE, _FALSE) else self._value(kind, depth)
        return found

    def _value(self, kind: int, depth: int) -> Any:
        self._left -= 1
        if self._left < 0:
            raise ValueError("its header holds too many values")
        if kind in _INTEGERS:
            return self._signed()
        if kind == _TEXT:
            return self._text()
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind in (_LIST, _SET):
            return self._list(depth + 1)
        if kind in (_TRUE, _FALSE, _BYTE):
            return self._byte()
        if kind == _DOUBLE:
            self._skip(8)
            return None
        raise ValueError(f"its header holds a value of kind {kind}")

    def _list(self, depth: int) -> list[Any]:
        if depth > DEEPEST:
            raise ValueError("its header is nested too deeply")
        head = self._byte()
        count = self._unsigned() if head >> 4 == 15 else head >> 4
        if count > self._left:
            raise ValueError("its header holds too many values")
        return [self._value(head & 15, depth) for _ in range(count)]

    def _text(self) -> bytes:
        size, start = self._unsigned(), self.place
        self._skip(size)
        return self._data[start : start + min(size, LONGEST_KEPT)]

    def _skip(self, size: int) -> None:
        self.place += size
        if self.place > len(self._data):
            raise ValueError("its header is cut short")

    def _byte(self) -> int:
        self._skip(1)
        return self._data[self.place - 1]

    def _unsigned(self) -> int:
        found = shift = 0
        while shift < 64:
            byte = self._byte()
            found |= (byte & 127) << shift
            if byte < 128:
                return found
            shift += 7
        raise ValueError("its header holds a number of more than 64 bits")

    def _signed(self) -> int:
        zigzag = self._unsigned()
        return (zigzag >> 1) ^ -(zigzag & 1)
