"""The events in Gradio's queue: whose they are, whether one more may enter, what each may bring."""

from typing import Any

from unprompt.ui.page.server.calls import CALL, JOIN
from unprompt.ui.page.server.failures import describe_failure
from unprompt.ui.page.server.limits import Limits
from unprompt.ui.page.server.refusal import Refusal

UNFIT = "the values are not those of this endpoint; `/invert` takes a picture, `/search` a text"


class Events:
    """The queue of one page. All methods are called in the one thread of the server."""

    def __init__(self, page: Any, limits: Limits) -> None:
        self._page = page
        self._named = {event.api_name: event for event in page.fns.values()}
        self._limits = limits

    def admit(self, visitor: str) -> None:
        """Raise Refusal if a visitor, or all of them, have too many events waiting or running."""
        events = list(self._page._queue.event_ids_to_events.values())
        own = sum(event.request.client.host == visitor for event in events)
        if own >= self._limits.visitor_events:
            raise Refusal(429, "too many questions at once from this address", retry=2)
        if len(events) >= self._limits.total_events:
            raise Refusal(503, "too many questions at the moment; try again soon", retry=2)

    def check(self, path: str, asked: dict[str, Any]) -> None:
        """Raise Refusal for an event that the page does not have, or with other values than its."""
        if called := CALL.fullmatch(path):
            event = self._named.get(called[1])
        elif path == JOIN:
            number = asked.get("fn_index")
            event = self._page.fns.get(number) if type(number) is int else None
        else:
            return
        if event is None or event.fn is None or (path == JOIN and not asked.get("session_hash")):
            raise Refusal(400, "the page has no such event; reload it")
        data = asked.get("data")
        if not isinstance(data, list) or len(data) != len(event.inputs):
            raise Refusal(400, UNFIT)


def guard(gr: Any, page: Any) -> None:
    """Make every failure of an event of a page a sentence for its visitor, not a bare error.

    Handlers tell their failures themselves; these are of Gradio's steps before and after them.
    """
    from pydantic import ValidationError

    process = page.process_api

    async def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return await process(*args, **kwargs)
        except gr.Error:
            raise
        except ValidationError as error:
            raise gr.Error(UNFIT, print_exception=False) from error
        except Exception as error:
            raise gr.Error(describe_failure(error), print_exception=False) from error

    page.process_api = guarded
