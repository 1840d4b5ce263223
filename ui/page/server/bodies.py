"""`receive` of a request -> one that checks the body on its way, or the whole body."""

import asyncio
import time
from contextlib import suppress

from unprompt.ui.page.server.limits import MIB, Limits
from unprompt.ui.page.server.refusal import Message, Receive, Refusal
from unprompt.ui.page.server.reply import Reply
from unprompt.ui.page.server.upload_body import UploadBody

READ_ON = 64 * MIB  # of a refused upload


def patient(receive: Receive, limits: Limits) -> Receive:
    """`receive` for a body, which gives up on visitors who leave, pause, or send by drops."""
    end = time.monotonic() + limits.body_seconds

    async def wait() -> Message:
        left = min(limits.pause_seconds, end - time.monotonic())
        try:
            message = await asyncio.wait_for(receive(), max(left, 0.0))
        except TimeoutError:
            raise Refusal(
                408,
                f"the body must arrive within {limits.body_seconds:g} seconds, and without a pause "
                f"of {limits.pause_seconds:g} seconds",
            ) from None
        if message["type"] == "http.disconnect":
            raise Refusal(400, "the request ended early")
        return message

    return wait


def counted(arriving: Receive, receive: Receive, body: UploadBody, reply: Reply) -> Receive:
    """A `receive` that checks an upload on its way; after it, the one that it was."""
    from starlette.formparsers import MultiPartException

    whole = False

    async def take() -> Message:
        nonlocal whole
        if whole:
            return await receive()
        try:
            message = await arriving()
            whole = not message.get("more_body")
            body.feed(message.get("body", b""))
        except Refusal as refusal:
            reply.refusal = refusal
            if not whole:
                await _read_on(arriving)
            raise MultiPartException(refusal.reason) from None  # Gradio deletes what it has written
        return message

    return take


async def _read_on(receive: Receive) -> None:
    """Read the rest of a refused body, within limits: clients look for an answer after sending."""
    size = 0
    with suppress(Refusal):
        while size < READ_ON:
            message = await receive()
            size += len(message.get("body", b""))
            if not message.get("more_body"):
                break


async def read_all(receive: Receive, limit: int) -> bytes:
    """The whole body of a request; raises Refusal if it is over `limit` bytes."""
    chunks, size = [], 0
    while True:
        message = await receive()
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > limit:
            raise Refusal(413, f"the body has at most {limit / MIB:g} MB; upload a picture first")
        if not message.get("more_body"):
            return b"".join(chunks)


def replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives `body`, then what follows it: the visitor's leaving."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
