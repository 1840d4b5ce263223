"""What Gradio answers -> what a visitor gets: headers for the browser, no detail of errors."""

import json
from collections.abc import Callable

from unprompt.ui.page.server.refusal import Message, Refusal, Send

POLICY = (
    "default-src 'self'; connect-src 'self' data: blob:; object-src 'none'; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "media-src 'self' blob: data:; worker-src 'self' blob:; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'"
)
HEADERS = [  # nothing is loaded from elsewhere, and no other site shows or reads the page
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


class Reply:
    """The answer to one request, on its way."""

    def __init__(self, send: Send) -> None:
        self.failed = False  # Gradio answered with status 500, which is held back
        self.refusal: Refusal | None = None  # of the body, in place of what Gradio makes of it
        self.uploaded: Callable[[str], None] | None = None  # called with each uploaded path
        self.logged_in: Callable[[], None] | None = None
        self._send = send
        self._started = False
        self._body = b""  # of an upload: the paths as JSON

    async def send(self, message: Message) -> None:
        """Pass on a message of Gradio."""
        if self.refusal:
            return
        if message["type"] == "http.response.start":
            if message["status"] == 500:
                self.failed = True
                return
            self._started = True
            self._note_status(message["status"])
            message = {**message, "headers": [*message.get("headers", []), *HEADERS]}
        elif self.failed:
            return
        elif self.uploaded is not None:
            self._note_paths(message)
        await self._send(message)

    async def refuse(self, refusal: Refusal) -> None:
        """Answer with a refusal; an answer that has begun ends early."""
        if self._started:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            self._started = True
            await refusal.answer(self._send)

    def _note_status(self, status: int) -> None:
        if status != 200:
            self.uploaded = None
        elif self.logged_in is not None:
            self.logged_in()

    def _note_paths(self, message: Message) -> None:
        self._body += message.get("body", b"")
        if not message.get("more_body") and self.uploaded is not None:
            for path in json.loads(self._body):
                self.uploaded(str(path))
