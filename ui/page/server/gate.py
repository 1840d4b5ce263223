"""Every request to the page -> answered by Gradio, or refused here before Gradio sees it.

The gate is an ASGI application around another. It checks where a request comes from, what it asks
for and how much it brings; it gives an error of Gradio an id, and writes its traceback to the log.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from unprompt.ui.page.server.bodies import counted, patient, read_all, replay
from unprompt.ui.page.server.calls import LOGIN, LOGOUT, UPLOAD, check_json, check_path, is_call
from unprompt.ui.page.server.events import Events
from unprompt.ui.page.server.failures import describe_failure
from unprompt.ui.page.server.hosts import Hosts, values
from unprompt.ui.page.server.limits import Limits
from unprompt.ui.page.server.refusal import App, Receive, Refusal, Scope, Send
from unprompt.ui.page.server.reply import Reply
from unprompt.ui.page.server.upload_body import UploadBody
from unprompt.ui.page.server.uploads import Uploads
from unprompt.ui.page.server.visitors import Logins, Requests, visitor_of

# A visitor chooses the URLs of the page by some of them; Gradio fails at many a range.
DROPPED = (b"x-forwarded-", b"x-gradio-server", b"forwarded", b"range")


@dataclass(frozen=True)
class Gate:
    """The checks of one server. It runs in the server's one thread."""

    app: App
    hosts: Hosts
    limits: Limits
    uploads: Uploads
    requests: Requests
    logins: Logins
    events: Events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":  # Gradio has no WebSocket
            return await send({"type": "websocket.close", "code": 1008})
        reply = Reply(send)
        try:
            await self._answer(scope, receive, reply)
            if reply.failed:
                raise RuntimeError("Gradio answered with status 500")
            if reply.refusal:
                raise reply.refusal
        except Refusal as refusal:
            await reply.refuse(refusal)
        except Exception as error:
            if reply.refusal:
                await reply.refuse(reply.refusal)
            elif _is_gone(error):
                await reply.refuse(Refusal(404, "the session of this stream has ended"))
            else:
                await reply.refuse(Refusal(500, describe_failure(error)))

    async def _answer(self, scope: Scope, receive: Receive, reply: Reply) -> None:
        self.hosts.check(scope)
        visitor = visitor_of(scope, behind_proxy=bool(self.hosts.allowed))
        check_path(scope, self.uploads.folder)
        inner = {**scope, "client": (visitor, 0), "headers": _headers(scope, self.hosts)}
        if scope["path"] == LOGOUT:  # by default Gradio ends the sessions of all visitors
            inner["query_string"] = b"all_session=false"
        with ExitStack() as held:
            held.enter_context(self.requests.admit(visitor))
            if scope["method"] == "POST":
                receive = await self._admit_body(inner, visitor, receive, reply, held)
            await self.app(inner, receive, reply.send)

    async def _admit_body(
        self, scope: Scope, visitor: str, receive: Receive, reply: Reply, held: ExitStack
    ) -> Receive:
        """Check what a request brings; returns how the application reads it."""
        arriving = patient(receive, self.limits)
        path = scope["path"]
        if path == UPLOAD:
            size = _declared_size(scope)
            held.enter_context(self.uploads.arriving(visitor, size))
            reply.uploaded = lambda path: self.uploads.add(visitor, Path(path))
            return counted(arriving, receive, UploadBody(_content_type(scope), self.limits), reply)
        if is_call(path):
            self.events.admit(visitor)
        body = await read_all(arriving, self.limits.json_bytes)
        if path.rstrip("/") == LOGIN:
            self.logins.attempt(visitor)
            reply.logged_in = lambda: self.logins.succeed(visitor)
        else:
            self.events.check(path, check_json(body, self.uploads.folder))
        return replay(body, receive)


def _is_gone(error: Exception) -> bool:
    """Whether Gradio refuses a stream that it has already begun, since its session is unknown."""
    from starlette.exceptions import HTTPException

    return isinstance(error.__cause__, HTTPException)


def _content_type(scope: Scope) -> str:
    kinds = [value for name, value in scope["headers"] if name == b"content-type"]
    return kinds[0].decode("latin-1")[:500] if len(kinds) == 1 else ""


def _declared_size(scope: Scope) -> int:
    """The Content-Length of an upload; raises Refusal without one."""
    [length, *more] = values(scope, b"content-length") or [""]
    if more or not length.isascii() or not length.isdecimal() or len(length) > 15:
        raise Refusal(411, "an upload must state its size: send a Content-Length")
    return int(length)


def _headers(scope: Scope, hosts: Hosts) -> list[tuple[bytes, bytes]]:
    """The headers of a request, less those that Gradio must not see."""
    return [
        (name, value)
        for name, value in scope["headers"]
        if not name.startswith(DROPPED) or _is_from_proxy(name, value, hosts)
    ]


def _is_from_proxy(name: bytes, value: bytes, hosts: Hosts) -> bool:
    text = value.decode("latin-1").strip().lower()
    if name == b"x-forwarded-host":
        return text in hosts.allowed
    return name == b"x-forwarded-proto" and bool(hosts.allowed) and text in ("http", "https")
