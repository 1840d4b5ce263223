"""A request that the page refuses: an HTTP status and a sentence for a person."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass
class Refusal(Exception):
    """The answer to a refused request; `retry` is in seconds, for those that may pass later."""

    status: int
    reason: str
    retry: int | None = None

    async def answer(self, send: Send) -> None:
        """Send it as JSON; Gradio's clients show `detail`."""
        body = json.dumps({"detail": self.reason}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),  # the rest of a refused body is not read
        ]
        if self.retry is not None:
            headers.append((b"retry-after", str(self.retry).encode()))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
