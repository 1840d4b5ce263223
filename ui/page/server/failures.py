"""Any error -> one short sentence for a visitor; what is not the visitor's doing gets an id.

The log has the traceback under that id.
"""

import functools
import logging
import secrets
import time
from collections.abc import Callable
from typing import Any

from unprompt.index.base.errors import UnpromptError
from unprompt.index.texts.visible import whole_text, whole_values

LOG = logging.getLogger("unprompt.page")
MAX_TRACEBACKS = 30  # a minute; of further errors the log has one line each
MAX_MESSAGE = 600  # characters; a file name may be long


class _Tracebacks:
    """Counts tracebacks, so that a visitor who knows how to cause them cannot fill the disk."""

    def __init__(self) -> None:
        self._begun, self._count = 0.0, 0

    def one_more(self) -> bool:
        """Whether the log takes another traceback in this minute."""
        now = time.monotonic()
        if now - self._begun > 60:
            self._begun, self._count = now, 0
        self._count += 1
        return self._count <= MAX_TRACEBACKS


_TRACEBACKS = _Tracebacks()


def describe_failure(error: Exception) -> str:
    """What to tell a visitor: the reason, or the id of an error that only the log explains."""
    if isinstance(error, UnpromptError):
        return whole_text(str(error))[:MAX_MESSAGE]
    name = secrets.token_hex(4)
    told = error if _TRACEBACKS.one_more() else None
    LOG.error("error %s: %s", name, type(error).__name__, exc_info=told)
    return f"the server failed to answer this; its log says why under error {name}"


def shown(handler: Callable[..., Any], show: Callable[[str], Any]) -> Callable[..., Any]:
    """A handler of the page whose failure is a value like any other: `show` of its sentence."""

    @functools.wraps(handler)
    def answer(*values: Any) -> Any:
        try:
            return whole_values(handler(*values))
        except Exception as error:
            return show(describe_failure(error))

    return answer


def told(gr: Any, handler: Callable[..., Any]) -> Callable[..., Any]:
    """A handler of the API whose failure reaches the client as an error with its sentence."""

    @functools.wraps(handler)
    def answer(*values: Any) -> Any:
        try:
            return whole_values(handler(*values))
        except Exception as error:
            raise gr.Error(describe_failure(error), print_exception=False) from error

    return answer
