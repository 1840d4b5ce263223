"""Work on one numbered item -> its Outcome, the same in every engine and process."""

import pickle
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeVar

from unprompt.index.base.errors import UnpromptError

Item = TypeVar("Item", contravariant=True)
Result = TypeVar("Result", covariant=True)

TRIES = 3  # starts of a shard whose workers die


class Work(Protocol[Item, Result]):
    """What to do with a shard: a small picklable object that loads nothing before `load`.

    The function that `load` returns writes its own files and returns little. An engine calls it in
    this process or in another one, and again for the same item where a worker has died.
    """

    def load(self, threads: int | None) -> Callable[[Item], Result]:
        """Load what the shards share, once per worker; None leaves the threads to the libraries."""


class Outcome(NamedTuple):
    """The result of one item, or the error that it ended with."""

    number: int
    result: Any
    fault: Exception | None = None
    in_loading: bool = False  # every other item would fail the same way


def compute(load: Callable[[], Callable[[Any], Any]], number: int, item: Any) -> Outcome:
    """Apply the function that `load` returns to one item; an error becomes part of the outcome."""
    try:
        function = load()
    except Exception as error:
        return Outcome(number, None, _portable(error), in_loading=True)
    try:
        return Outcome(number, function(item))
    except Exception as error:
        return Outcome(number, None, _portable(error))


def worker_died(number: int) -> Outcome:
    """The outcome of an item that every worker died on."""
    return Outcome(
        number,
        None,
        UnpromptError(
            f"its worker was killed {TRIES} times, for instance because memory ran out; run the "
            "same command again with fewer --workers, or check the input of the shard"
        ),
    )


def _portable(error: Exception) -> Exception:
    """The error with its traceback, in a form that another process can unpickle."""
    if not isinstance(error, UnpromptError):
        error.add_note("".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError("".join(traceback.format_exception(error)))
    return error
