"""A bundle and a port -> the page, served on 127.0.0.1 until Ctrl-C: `unprompt demo`."""

import os
import signal
import socket
import time
import webbrowser
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

from unprompt.index.base.errors import ConfigError, UnpromptError
from unprompt.inversion.inverter import STARTER, Inverter
from unprompt.ui.page.backend import make_backend
from unprompt.ui.page.gradio_library import load_gradio
from unprompt.ui.page.html import read_asset
from unprompt.ui.page.page import build_page, make_theme

HOST = "127.0.0.1"
MAX_UPLOAD = "20mb"
POLL_SECONDS = 0.2


def run_demo(bundle: Path | None, port: int, open_browser: bool, auth: str | None = None) -> None:
    """Load a bundle (the starter if None) and serve its page until SIGINT or SIGTERM.

    `auth` is NAME:PASSWORD. Raises UnpromptError for a port that is in use,
    MissingDependencyError without Gradio.
    """
    chosen, login = choose_port(port), _read_login(auth)
    load_gradio()
    folder = STARTER if bundle is None else bundle
    inverter = Inverter.load(folder)
    for world in inverter.worlds:
        inverter.composer_of(world)  # loaded before the first visitor comes
    # Every uploaded picture lies in this folder, and its removal at the end deletes them all.
    with TemporaryDirectory(prefix="unprompt-demo-", ignore_cleanup_errors=True) as uploads:
        os.environ["GRADIO_TEMP_DIR"] = uploads
        page = build_page(make_backend(folder, inverter, Path(uploads)))
        try:
            url = launch_page(page, chosen, login)
            print(f"unprompt is running at {url} (stop it with Ctrl-C)", flush=True)
            if open_browser:
                webbrowser.open(url)
            _wait_for_signal()
        finally:
            page.close(verbose=False)


def launch_page(page: Any, port: int, auth: tuple[str, str] | None = None) -> str:
    """Serve the page on the loopback interface in a background thread; returns its URL.

    With `auth`, a name and a password, every visitor must log in first.
    """
    try:
        _, url, _ = page.launch(
            server_name=HOST,
            server_port=port,
            auth=auth,
            share=False,
            prevent_thread_lock=True,
            quiet=True,
            show_error=False,
            max_file_size=MAX_UPLOAD,
            allowed_paths=[],
            strict_cors=True,
            ssr_mode=False,
            mcp_server=False,
            pwa=False,
            run_history=False,
            enable_monitoring=False,
            footer_links=[],
            theme=make_theme(),
            css=read_asset("style.css"),
        )
    except OSError as error:
        raise _unusable_port(port, error) from error
    return url


def _read_login(auth: str | None) -> tuple[str, str] | None:
    if auth is None:
        return None
    name, separator, password = auth.partition(":")
    if not (name and separator and password):
        raise ConfigError("--auth must be NAME:PASSWORD, both not empty")
    return name, password


def choose_port(port: int) -> int:
    """`port` if it is free, or any free port for 0; raises UnpromptError for a port in use."""
    if not 0 <= port <= 65535:
        raise ConfigError(f"--port must be from 0 to 65535, got {port}")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise _unusable_port(port, error) from error
        return int(probe.getsockname()[1])


def _unusable_port(port: int, error: OSError) -> UnpromptError:
    return UnpromptError(
        f"cannot listen on port {port} of {HOST} ({error.strerror or error}); choose another port "
        "with `--port`, or any free one with `--port 0`"
    )


def _wait_for_signal() -> None:
    """Return on SIGINT or SIGTERM, so that the caller can remove its files."""
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        while not received:
            time.sleep(POLL_SECONDS)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
