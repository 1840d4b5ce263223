"""Fixtures and helpers of the tests of the page: a page of the tiny run, and visits to it."""

import os
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
).split()
PATIENCE_MS = 60_000  # a busy machine is slow
HOSTILE = "<img src=x onerror=alert(1)>${alert(1)}{{value}}"
TRUNCATED, TEXT, BOMB = "cut.jpg", "text.png", "bomb.png"
LIBRARIES = (("gradio", "demo"), ("gradio_client", "dev"), ("playwright", "dev"))


@dataclass(frozen=True)
class Served:
    """The page of the tiny run, and one of its pictures with the prompt it was drawn from."""

    url: str
    picture: Path
    prompt: str
    uploads: Any
    inverter: Any

    def delete_uploads(self) -> None:
        """What the server does ten minutes after an upload."""
        for key in list(self.uploads._owned):
            self.uploads._drop(key)


@dataclass
class Visit:
    """A browser's page and what it did."""

    page: Any
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def upload(self, path: Path) -> None:
        self.page.set_input_files("#up-picture input[type=file]", str(path))

    def answer(self) -> str:
        self.page.wait_for_selector(".up-prompt", timeout=PATIENCE_MS)
        return self.page.inner_text(".up-prompt .up-text")

    def set_alpha(self, value: str) -> None:
        self.page.fill("#up-alpha input[type=number]", value)
        self.page.press("#up-alpha input[type=number]", "Enter")
        self.page.locator("#up-alpha input[type=number]").blur()

    def error(self) -> str:
        self.page.wait_for_selector(".up-error", timeout=PATIENCE_MS)
        return self.page.inner_text(".up-error")


@pytest.fixture(scope="session")
def served(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    for library, extra in LIBRARIES:
        if find_spec(library) is None:
            pytest.skip(f"{library} is not installed: the extra `{extra}`")
    from unprompt.build.scenes.renderer import ScenesRenderer
    from unprompt.inversion.inverter import Inverter
    from unprompt.ui.page.backend import make_backend
    from unprompt.ui.page.page import build_page
    from unprompt.ui.page.serve import serve_page
    from unprompt.ui.page.server.listen import bind

    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder / "gradio"))
        inverter = Inverter.load(tiny_run / "bundle")
        assert inverter.composer is not None  # loaded before the clock of a test runs
        row = inverter.index.rows.row(7, named=True)
        drawn = ScenesRenderer(128).render([row["prompt"]], [row["seed"]])[0]
        Image.fromarray(drawn).save(folder / "example-1.png")
        page = build_page(make_backend(tiny_run / "bundle", inverter, folder / "gradio"))
        with bind("127.0.0.1", 0) as listener:
            running = serve_page(page, listener)
            example = folder / "example-1.png"
            yield Served(running.url, example, row["prompt"], running.uploads, inverter)
            running.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    if not Path(CHROMIUM).exists():
        pytest.skip(f"no browser at {CHROMIUM}; set CHROMIUM to one")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as session:
        found = session.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield found
        found.close()


@pytest.fixture(scope="session")
def context(browser: Any, served: Served) -> Any:
    """One browser profile for all visits, so that the browser fetches Gradio's files once."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    origin = served.url.rstrip("/")
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=origin)
    return context


@contextmanager
def visiting(context: Any, served: Served, **media: Any) -> Iterator[Visit]:
    """The page in a new tab; at the end nothing has left the machine and no script has failed."""
    visit = Visit(context.new_page())
    visit.page.on("console", lambda m: m.type == "error" and visit.errors.append(m.text))
    visit.page.on("pageerror", lambda error: visit.errors.append(str(error)))
    visit.page.on("request", lambda request: visit.requests.append(request.url))
    if media:
        visit.page.emulate_media(**media)
        visit.page.set_viewport_size({"width": 390, "height": 844})
    visit.page.goto(served.url)
    visit.page.wait_for_selector(".up-examples img", timeout=PATIENCE_MS)
    yield visit
    local = (served.url, "data:", "blob:")
    assert [url for url in visit.requests if not url.startswith(local)] == []
    assert visit.errors == []
    visit.page.close()


@pytest.fixture
def visit(context: Any, served: Served) -> Iterator[Visit]:
    with visiting(context, served) as visit:
        yield visit


@pytest.fixture(scope="session")
def client(served: Served) -> Any:
    from gradio_client import Client

    return Client(served.url, verbose=False)


def expect(locator: Any) -> Any:
    """Playwright's assertion, which waits until it holds."""
    from playwright.sync_api import expect

    expect.set_options(timeout=PATIENCE_MS)
    return expect(locator)


def bad_file(name: str, folder: Path, served: Served) -> Path:
    """A file with a picture's suffix that cannot be read as one."""
    path = folder / name
    if name == TRUNCATED:
        Image.open(served.picture).save(path, "JPEG")
        path.write_bytes(path.read_bytes()[:1500])
    elif name == BOMB:
        path.write_bytes(png_header(20_000, 10_000))
    else:
        path.write_text("a prompt is not a picture")
    return path


def png_header(width: int, height: int) -> bytes:
    """A PNG that declares a size and holds next to nothing."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(1000))),
        (b"IEND", b""),
    ]
    written = (
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(written)


def shared_words(one: str, other: str) -> float:
    """Share of the words of `other` that are in `one`: a composed prompt is near, not the same."""
    words = set(re.findall(r"\w+", other.lower()))
    return len(words & set(re.findall(r"\w+", one.lower()))) / len(words)
