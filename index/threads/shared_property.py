"""A property that is computed once, by one of the threads that share the object."""

from functools import cached_property
from threading import RLock
from typing import Any, TypeVar, overload

Value = TypeVar("Value")
LOCK = "_shared_property_lock"


class shared_property(cached_property[Value]):  # noqa: N801, lower case as `cached_property`
    """`functools.cached_property` for threads: the others wait for the one that computes."""

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> "shared_property[Value]": ...

    @overload
    def __get__(self, instance: object, owner: type | None = None) -> Value: ...

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        with _lock_of(instance):
            return super().__get__(instance, owner)


def forget(instance: object, *names: str) -> None:
    """Drop computed values, also those that another thread computes now."""
    with _lock_of(instance):
        for name in names:
            instance.__dict__.pop(name, None)


def _lock_of(instance: object) -> Any:
    return instance.__dict__.setdefault(LOCK, RLock())
