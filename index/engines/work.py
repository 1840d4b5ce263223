"""Work that any process can do: a recipe that loads, then a function: numbered item -> Outcome."""

import pickle
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeVar

from unprompt.index.base.errors import UnpromptError

Item = TypeVar("Item", contravariant=True)
Result = TypeVar("Result", covariant=True)

TRIES = 3  # times that a shard may be begun by a worker that dies of it


class Work(Protocol[Item, Result]):
    """What to do with a shard; small, picklable, and loads nothing before `load` is called.

    The function that `load` gives writes its own files and returns little: an engine may call it
    in this process or in another one, and again for the same item after a worker's death.
    """

    def load(self, threads: int | None) -> Callable[[Item], Result]:
        """Load what the shards share, once a worker; None leaves the threads to the library."""


class Outcome(NamedTuple):
    """What became of one item."""

    number: int
    result: Any
    fault: Exception | None = None
    in_loading: bool = False  # no other item can fare better


def do(load: Callable[[], Callable[[Any], Any]], number: int, item: Any) -> Outcome:
    """Do one item with what `load` gives; an error becomes part of the outcome."""
    try:
        function = load()
    except Exception as error:
        return Outcome(number, None, _portable(error), in_loading=True)
    try:
        return Outcome(number, function(item))
    except Exception as error:
        return Outcome(number, None, _portable(error))


def died(number: int) -> Outcome:
    """The outcome of an item whose every worker came to its end over it."""
    return Outcome(
        number,
        None,
        UnpromptError(
            f"its worker was killed {TRIES} times, for instance for want of memory; run the same "
            "command again with fewer --workers, or look into the shard's input"
        ),
    )


def _portable(error: Exception) -> Exception:
    """The error, with the place it comes from, in a form that another process can read."""
    if not isinstance(error, UnpromptError):
        error.add_note("".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError("".join(traceback.format_exception(error)))
    return error
