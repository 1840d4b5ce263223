"""`unprompt demo`: a bundle and a port -> the page served on 127.0.0.1 until Ctrl-C."""

import os
import signal
import socket
import tempfile
import time
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from unprompt.index.base.errors import ConfigError, UnpromptError
from unprompt.index.bundle.bundle import read_bundle
from unprompt.index.vectors.transforms import sample_rows
from unprompt.inversion.inverter import STARTER, Inverter
from unprompt.ui.page.examples import draw_examples
from unprompt.ui.page.gradio_library import load_gradio
from unprompt.ui.page.html import LoadedBundle
from unprompt.ui.page.neighbor_pictures import SCENES, NeighborPictures
from unprompt.ui.page.one_picture import Answering
from unprompt.ui.page.page import HOST, build_page, launch_page

POLL_SECONDS = 0.2
SEEN = 1000  # rows, evenly spaced, that tell where the pictures of an index come from


def run_demo(bundle: Path | None, port: int, open_browser: bool, auth: str | None = None) -> None:
    """Load a bundle (the starter if None) and serve its page until interrupted.

    Raises UnpromptError for a port that cannot be used, MissingDependencyError without Gradio.
    """
    chosen, login = choose_port(port), _read_login(auth)
    load_gradio()
    folder = STARTER if bundle is None else bundle
    inverter = Inverter.load(folder)
    _ = inverter.composer  # loaded now, not while the first visitor waits
    with _own_temporary_folder() as temporary:
        page = build_page(*describe(folder, inverter, temporary))
        try:
            url = launch_page(page, chosen, login)
            print(f"unprompt is running at {url} (stop it with Ctrl-C)", flush=True)
            if open_browser:
                webbrowser.open(url)
            _wait_for_signal()
        finally:
            page.close(verbose=False)


def describe(folder: Path, inverter: Inverter, temporary: Path) -> tuple[Answering, LoadedBundle]:
    """What the page needs to know of a loaded bundle; `temporary` is Gradio's folder of files."""
    manifest = inverter.index.manifest
    some = inverter.index.read_rows(sample_rows(manifest.ntotal, SEEN), "generator")
    draws_scenes = bool(some["generator"].str.starts_with(SCENES).all())
    loaded = LoadedBundle(
        name=read_bundle(folder).name,
        rows=manifest.ntotal,
        prompts=manifest.prompts,
        recall=manifest.recall,
        draws_scenes=draws_scenes,
    )
    examples = draw_examples(temporary / "examples") if draws_scenes else []
    return Answering(inverter, NeighborPictures(folder), examples, temporary), loaded


def _read_login(auth: str | None) -> tuple[str, str] | None:
    if auth is None:
        return None
    name, separator, password = auth.partition(":")
    if not (name and separator and password):
        raise ConfigError("--auth takes NAME:PASSWORD")
    return name, password


def choose_port(port: int) -> int:
    """`port` if it is free, any free one for 0; raises UnpromptError for one in use."""
    if not 0 <= port <= 65535:
        raise ConfigError(f"--port must be from 0 to 65535, got {port}")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise UnpromptError(
                f"port {port} of {HOST} cannot be used ({error.strerror or error}); choose another "
                "with `--port`, or `--port 0` for any free one"
            ) from error
        return int(probe.getsockname()[1])


@contextmanager
def _own_temporary_folder() -> Iterator[Path]:
    """Where Gradio keeps uploads, removed at the end: nothing of the user's stays behind."""
    with tempfile.TemporaryDirectory(prefix="unprompt-demo-", ignore_cleanup_errors=True) as name:
        before = os.environ.get("GRADIO_TEMP_DIR")
        os.environ["GRADIO_TEMP_DIR"] = name
        try:
            yield Path(name)
        finally:
            if before is None:
                del os.environ["GRADIO_TEMP_DIR"]
            else:
                os.environ["GRADIO_TEMP_DIR"] = before


def _wait_for_signal() -> None:
    """Return on Ctrl-C or `kill`, so that the files are removed after either."""
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
