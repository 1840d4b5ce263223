"""A page, a host and a port -> a server in a thread of its own, behind the gate.

Gradio's own `launch` offers no way to refuse a request before its middleware and routes.
"""

import logging
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from unprompt.index.base.errors import UnpromptError
from unprompt.ui.page.server.events import Events
from unprompt.ui.page.server.gate import Gate
from unprompt.ui.page.server.hosts import Hosts
from unprompt.ui.page.server.limits import Limits
from unprompt.ui.page.server.uploads import Uploads, fitted
from unprompt.ui.page.server.visitors import Logins, Requests

HOUSEKEEPING_SECONDS = 10
STOP_SECONDS = 1  # for answers that are under way
START_SECONDS = 30
IDLE_SECONDS = 15  # for a connection without a request
MANY_UPLOADS = 1000  # whose progress Gradio notes and never forgets
SPARE = 64  # connections beyond the most requests, which the gate refuses with a reason


@dataclass(frozen=True)
class Served:
    """A page that is being served."""

    url: str
    uploads: Uploads
    gradio: Any  # the page's application
    server: Any
    thread: threading.Thread

    def stop(self) -> None:
        """End all answers and streams, and free the port."""
        self.gradio.get_blocks().close(verbose=False)  # ends the queue and the streams
        self.server.should_exit = True
        self.thread.join(STOP_SECONDS + 5)


def serve(
    page: Any, listener: socket.socket, hosts: Hosts, limits: Limits, looks: dict[str, Any]
) -> Served:
    """Serve a page of `build_page` on a bound socket. `looks` are arguments of Gradio: theme, css.

    Raises UnpromptError if the server does not start.
    """
    folder = Path(os.environ["GRADIO_TEMP_DIR"])
    limits = replace(limits, total_bytes=fitted(limits, shutil.disk_usage(folder).free))
    uploads = Uploads(folder, limits, kept=folder / "examples")
    application, gradio = _mount(page, limits, looks)
    requests, logins, events = Requests(limits), Logins(limits), Events(page, limits)
    gate = Gate(application, hosts, limits, uploads, requests, logins, events)
    server = _make_server(gate, limits, lambda: _keep_house(page, uploads))
    thread = threading.Thread(target=server.run, args=([listener],), name="page", daemon=True)
    thread.start()
    _wait_until_started(server, thread)
    return Served(own_url(listener), uploads, gradio, server, thread)


def bind(host: str, port: int) -> socket.socket:
    """A socket that is bound to a host and port, any free port for 0; raises UnpromptError."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise UnpromptError(f"cannot listen on {host!r} ({error}); use `--host` ADDRESS") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise UnpromptError(
            f"cannot listen on port {port} of {host} ({error.strerror or error}); choose another "
            "port with `--port`, or any free one with `--port 0`"
        ) from error
    return listener


def own_url(listener: socket.socket) -> str:
    """Where a browser of this machine finds what listens on a socket."""
    address, port = listener.getsockname()[:2]
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104
    return f"http://[{address}]:{port}/" if ":" in address else f"http://{address}:{port}/"


def _mount(page: Any, limits: Limits, looks: dict[str, Any]) -> tuple[Any, Any]:
    """The page as an ASGI application, and Gradio's own application in it."""
    import fastapi
    import gradio

    page.state_session_capacity = limits.sessions
    page._queue.pending_messages_per_session.max_size = limits.results
    outer = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    gradio.mount_gradio_app(
        outer,
        page,
        path="/",
        footer_links=[],
        run_history=False,
        allowed_paths=[],
        show_error=False,
        max_file_size=limits.file_bytes,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        **looks,
    )
    application = outer.routes[-1].app  # type: ignore[attr-defined]
    # Gradio describes every component for each new session, to share its state by a link. A call of
    # the API is a session of its own, and the page has no such links.
    application.state_holder.blocks = SimpleNamespace(default_config=page.default_config, blocks=())
    return outer, application


def _make_server(gate: Gate, limits: Limits, keep_house: Any) -> Any:
    import uvicorn

    config = uvicorn.Config(
        gate,
        http="h11",
        ws="none",
        lifespan="on",
        log_config=None,
        log_level=logging.CRITICAL,  # a visitor must not fill the log; the gate logs failures
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=limits.total_requests + SPARE,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
        timeout_notify=HOUSEKEEPING_SECONDS,
    )
    server = uvicorn.Server(config)
    idle: dict[Any, tuple[Any, int]] = {}

    async def notify() -> None:
        keep_house()
        close_silent(server.server_state.connections, idle)

    config.callback_notify = notify
    return server


def close_silent(connections: Iterable[Any], idle: dict[Any, tuple[Any, int]]) -> None:
    """Close connections that have sent no whole request since the housekeeping before the last."""
    seen = dict(idle)
    idle.clear()
    for connection in list(connections):
        cycle = connection.cycle
        if cycle is not None and not cycle.response_complete:
            continue
        last, times = seen.get(connection, (cycle, 0))
        if last is not cycle:
            times = 0
        elif times >= 2:
            connection.transport.close()
        idle[connection] = (cycle, times + 1)


def _keep_house(page: Any, uploads: Uploads) -> None:
    """Delete old files, and what Gradio notes of visitors who have left."""
    from gradio.routes import file_upload_statuses

    with suppress(OSError):
        uploads.sweep()
    for paths in page.temp_file_sets:  # of files that it would delete; `sweep` does
        paths.clear()
    queue = page._queue
    for session in list(queue.pending_event_ids_session):
        if session not in queue.pending_messages_per_session:
            del queue.pending_event_ids_session[session]
    for noted in (file_upload_statuses._signals, file_upload_statuses._statuses):
        if len(noted) > MANY_UPLOADS:
            noted.clear()


def _wait_until_started(server: Any, thread: threading.Thread) -> None:
    begun = time.monotonic()
    while not server.started:
        if not thread.is_alive() or time.monotonic() - begun > START_SECONDS:
            raise UnpromptError("the page's server did not start; see the messages above")
        time.sleep(0.01)
