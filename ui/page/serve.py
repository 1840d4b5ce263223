"""A bundle, a host and a port -> the page, served until Ctrl-C: `unprompt demo`."""

import ipaddress
import logging
import os
import signal
import socket
import sys
import time
import webbrowser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from unprompt.index.base.errors import ConfigError
from unprompt.index.base.processes.stopping import ending_by_itself
from unprompt.inversion.inverter import STARTER, Inverter
from unprompt.ui.page.backend import make_backend
from unprompt.ui.page.gradio_library import load_gradio
from unprompt.ui.page.html import read_asset
from unprompt.ui.page.page import build_page, make_theme
from unprompt.ui.page.server.failures import LOG
from unprompt.ui.page.server.folder import temporary_folder
from unprompt.ui.page.server.hosts import Hosts
from unprompt.ui.page.server.limits import Limits
from unprompt.ui.page.server.listen import Served, bind, serve

HOST = "127.0.0.1"
POLL_SECONDS = 0.2
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_demo(
    bundle: Path | None,
    port: int,
    open_browser: bool,
    auth: str | None = None,
    host: str = HOST,
    allowed_hosts: Sequence[str] = (),
) -> None:
    """Load a bundle (the starter if None) and serve its page until SIGINT, SIGTERM or SIGHUP.

    `auth` is NAME:PASSWORD; a host beyond this machine needs it. `allowed_hosts` are further names
    of the page, such as that of a proxy. Raises UnpromptError for a port that is in use,
    MissingDependencyError without Gradio.
    """
    if not 0 <= port <= 65535:
        raise ConfigError(f"--port must be from 0 to 65535, got {port}")
    login, hosts = _read_login(auth), Hosts(tuple(allowed_hosts))
    with bind(host, port) as listener, temporary_folder() as uploads, _gradio_folder(uploads):
        check_reach(listener, login)
        load_gradio()
        _log_failures()
        folder = STARTER if bundle is None else bundle
        inverter = Inverter.load(folder)
        for world in inverter.worlds:
            inverter.composer_of(world)  # loaded before the first visitor comes
        page = build_page(make_backend(folder, inverter, uploads))
        with _signals() as received:
            served = serve_page(page, listener, hosts, login)
            try:
                print(f"unprompt is running at {served.url} (stop it with Ctrl-C)", flush=True)
                if open_browser:
                    webbrowser.open(served.url)
                while not received:
                    time.sleep(POLL_SECONDS)
            finally:
                served.stop()


def serve_page(
    page: Any,
    listener: socket.socket,
    hosts: Hosts | None = None,
    login: tuple[str, str] | None = None,
    limits: Limits | None = None,
) -> Served:
    """Serve a page in a background thread; its files lie in the folder GRADIO_TEMP_DIR.

    With `login`, a name and a password, every visitor must log in first.
    """
    looks = {"theme": make_theme(), "css": read_asset("style.css"), "auth": login}
    return serve(page, listener, hosts or Hosts(), limits or Limits(), looks)


def _read_login(auth: str | None) -> tuple[str, str] | None:
    if auth is None:
        return None
    name, separator, password = auth.partition(":")
    if not (name and separator and password):
        raise ConfigError("--auth must be NAME:PASSWORD, both not empty")
    return name, password


def check_reach(listener: socket.socket, login: tuple[str, str] | None) -> None:
    """Warn of a page that other machines reach; raise ConfigError if it has no login."""
    address, port = listener.getsockname()[:2]
    if ipaddress.ip_address(address.partition("%")[0]).is_loopback:
        return
    if login is None:
        raise ConfigError(
            f"`--host {address}` lets other machines open the page: give it a login with "
            "`--auth NAME:PASSWORD`, or listen on this machine alone with `--host 127.0.0.1`"
        )
    print(
        f"unprompt: warning: every machine that reaches {address} port {port} can open the page. "
        "Its pictures and the password travel unencrypted; put a proxy with TLS before it",
        file=sys.stderr,
        flush=True,
    )


@contextmanager
def _gradio_folder(folder: Path) -> Iterator[None]:
    """Gradio's folder of files: it reads the name when it is imported, and at events."""
    before = os.environ.get("GRADIO_TEMP_DIR")
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["GRADIO_TEMP_DIR"]
        else:
            os.environ["GRADIO_TEMP_DIR"] = before


def _log_failures() -> None:
    """Write the failures of the page to standard error."""
    handler = logging.StreamHandler()  # which shows control characters, such as those of a name
    handler.setFormatter(logging.Formatter("%(asctime)s unprompt: %(message)s"))
    LOG.addHandler(handler)
    LOG.propagate = False


@contextmanager
def _signals() -> Iterator[list[int]]:
    """The stop signals that arrive, noted so that the caller can end and remove its files."""
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)

    before = {number: signal.signal(number, note) for number in STOPPING}
    try:
        with ending_by_itself():
            yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
