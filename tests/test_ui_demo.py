"""The page in a real browser: a picture gives its prompt, a bad file an error, nothing leaves."""

import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import urllib.request
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from unprompt.build.scenes.renderer import ScenesRenderer
from unprompt.index.base.errors import MissingDependencyError
from unprompt.inversion.inverter import Inverter
from unprompt.ui.page.backend import make_backend
from unprompt.ui.page.gradio_library import load_gradio
from unprompt.ui.page.page import build_page
from unprompt.ui.page.serve import choose_port, launch_page

# both are imported by fixtures: collecting the tests loads neither
for library, extra in (("gradio", "demo"), ("gradio_client", "dev"), ("playwright", "dev")):
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed: the extra `{extra}`", allow_module_level=True)

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
).split()
HOSTILE = "<img src=x onerror=alert(1)>${alert(1)}{{value}}"
TRUNCATED, TEXT, BOMB = "cut.jpg", "text.png", "bomb.png"
PATIENCE_MS = 15_000
BRING_A_PICTURE = """
async (way) => {
  const reply = await fetch(document.querySelector(".up-examples img").src);
  const brought = new DataTransfer();
  brought.items.add(new File([await reply.blob()], "brought.webp", { type: "image/webp" }));
  if (way === "paste") {
    document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: brought }));
    return;
  }
  const options = { bubbles: true, cancelable: true, dataTransfer: brought };
  for (const name of ["dragenter", "dragover", "drop"])
    document.querySelector("#up-picture img").dispatchEvent(new DragEvent(name, options));
}
"""


@dataclass(frozen=True)
class Served:
    """The page of the tiny run, and one of its pictures with the prompt it was drawn from."""

    url: str
    picture: Path
    prompt: str
    blocks: Any

    def delete_uploads(self) -> None:
        """What Gradio does ten minutes after an upload."""
        from gradio.route_utils import delete_files_created_by_app

        delete_files_created_by_app(self.blocks, -1)


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
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder / "gradio"))
        inverter = Inverter.load(tiny_run / "bundle")
        assert inverter.composer is not None  # loaded before the clock of a test runs
        row = inverter.index.rows.row(7, named=True)
        drawn = ScenesRenderer(128).render([row["prompt"]], [row["seed"]])[0]
        Image.fromarray(drawn).save(folder / "example-1.png")
        page = build_page(make_backend(tiny_run / "bundle", inverter, folder / "gradio"))
        yield Served(
            launch_page(page, choose_port(0)), folder / "example-1.png", row["prompt"], page
        )
        page.close(verbose=False)


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


def test_the_first_screen_says_what_is_loaded(visit: Visit) -> None:
    header, footer = visit.page.inner_text(".up-head"), visit.page.inner_text(".up-foot")
    assert re.search(
        r"scenes-tiny · \d+ pictures · \d+ prompts · index recall@10 [01]\.\d{3}", header
    )
    assert "scenes world only" in footer
    assert "Drawings: OpenMoji, CC BY-SA 4.0" in footer
    assert visit.page.locator(".up-examples button").count() == 6


def test_a_known_picture_gives_its_prompt(visit: Visit, served: Served) -> None:
    visit.upload(served.picture)
    assert shared_words(visit.answer(), served.prompt) >= 0.5
    assert visit.page.inner_text(".up-candidates .up-text >> nth=0") == served.prompt
    sure = visit.page.inner_text(".up-confidence")
    assert re.search(r"How sure: (good|fair|low), about 0\.\d\d", sure)
    shares = visit.page.locator(".up-share span").all_inner_texts()
    assert re.fullmatch(r"neighbors \d+ %", shares[0]) and "regression" in shares[1]
    phrases = visit.page.locator(".up-prompt .up-phrase")
    assert phrases.count() >= 1 and "from the known prompt" in (
        " ".join(phrases.nth(place).get_attribute("title") for place in range(phrases.count()))
    )
    assert visit.page.locator(".up-candidates li").count() == 8
    assert re.search(
        r"score 0\.\d{3} · weight −?\d+\.\d %", visit.page.inner_text(".up-candidates li >> nth=0")
    )
    widths = visit.page.eval_on_selector_all(".up-tiles img", "all => all.map(i => i.naturalWidth)")
    assert len(widths) == 8 and min(widths) == 128  # as stored, not drawn again
    assert served.prompt in visit.page.inner_text(".up-tiles")


def test_the_prompt_and_each_candidate_can_be_copied(visit: Visit, served: Served) -> None:
    visit.upload(served.picture)
    visit.answer()
    texts = visit.page.locator(".up-answer .up-text").all_inner_texts()
    buttons = visit.page.locator(".up-answer button")
    assert buttons.count() == len(texts) == 9
    for place in (0, 3):
        buttons.nth(place).click()
        expect(buttons.nth(place)).to_have_text("Copied")
        assert visit.page.evaluate("navigator.clipboard.readText()") == texts[place]


def test_an_example_is_inverted_at_a_click(visit: Visit) -> None:
    visit.page.click(".up-examples button >> nth=1")
    assert visit.answer()
    assert "a neon sign of three strawberries" in visit.page.inner_text(".up-truth")
    visit.page.wait_for_selector("#up-picture img")
    visit.page.click(".up-examples button >> nth=2")
    truth = visit.page.locator(".up-truth")
    expect(truth).to_contain_text("wheelbarrow", timeout=PATIENCE_MS)
    visit.page.click("#up-settings button >> nth=0")
    visit.set_alpha("1")
    share = visit.page.locator(".up-share span >> nth=0")
    expect(share).to_have_text("neighbors 100 %", timeout=PATIENCE_MS)
    expect(truth).to_contain_text("wheelbarrow")


def test_a_deleted_upload_is_named_and_the_examples_stay(visit: Visit, served: Served) -> None:
    visit.upload(served.picture)
    visit.answer()
    served.delete_uploads()
    visit.page.click("#up-settings button >> nth=0")
    visit.set_alpha("1")
    assert "upload it again" in visit.error()
    for _ in range(2):
        visit.page.click(".up-examples button >> nth=1")
        expect(visit.page.locator(".up-error")).to_have_count(0, timeout=PATIENCE_MS)
        assert visit.answer()
        served.delete_uploads()
        visit.page.click("#up-picture button[aria-label='Remove Image']")
        visit.page.wait_for_selector(".up-empty")


def test_a_second_picture_replaces_the_first(visit: Visit, served: Served) -> None:
    visit.page.click(".up-examples button >> nth=1")
    visit.answer()
    visit.page.click("#up-picture button[aria-label='Remove Image']")
    visit.page.wait_for_selector(".up-empty")
    assert visit.page.locator(".up-tiles").count() == 0
    visit.upload(served.picture)
    assert shared_words(visit.answer(), served.prompt) >= 0.5


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_picture_can_be_dropped_or_pasted_over_another(visit: Visit, way: str) -> None:
    visit.page.click(".up-examples button >> nth=1")
    visit.answer()
    visit.page.wait_for_selector("#up-picture img")
    visit.page.evaluate(BRING_A_PICTURE, way)
    expect(visit.page.locator(".up-truth")).to_have_count(0, timeout=PATIENCE_MS)
    assert visit.answer()
    visit.page.wait_for_selector("#up-picture img")


def test_a_bad_file_gives_an_error_and_the_page_goes_on(
    visit: Visit, served: Served, tmp_path: Path
) -> None:
    for name in (TEXT, TRUNCATED, BOMB, f"{HOSTILE}.png"):
        visit.upload(bad_file(name, tmp_path, served))
        error = visit.error()
        assert name in error
        assert "wanted a whole PNG, JPEG" in error
        visit.upload(served.picture)
        assert shared_words(visit.answer(), served.prompt) >= 0.5
        assert visit.page.locator(".up-error").count() == 0


def test_a_file_over_the_limit_is_refused_and_the_page_goes_on(
    context: Any, served: Served, tmp_path: Path
) -> None:
    """Gradio refuses the file during the upload: nothing of it reaches the inverter."""
    large = tmp_path / "large.png"
    large.write_bytes(served.picture.read_bytes() + bytes(21 * 2**20))
    with visiting(context, served) as visit:
        visit.upload(large)
        toast = visit.page.locator(".toast-body, .toast-wrap").first
        expect(toast).to_contain_text(re.compile("maximum|exceed|size", re.IGNORECASE))
        assert visit.page.locator(".up-prompt").count() == 0
        visit.upload(served.picture)
        assert shared_words(visit.answer(), served.prompt) >= 0.5
        assert [error for error in visit.errors if "413" not in error] == []
        visit.errors.clear()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_overflows_on_a_phone(context: Any, served: Served, scheme: str) -> None:
    with visiting(context, served, color_scheme=scheme) as visit:
        visit.upload(served.picture)
        visit.answer()
        visit.page.wait_for_selector(".up-tiles img")
        wide, inner = visit.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= inner == 390
        background = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
        brightness = sum(int(value) for value in re.findall(r"\d+", background)[:3])
        assert brightness > 600 if scheme == "light" else brightness < 150


def test_the_endpoint_returns_prompt_and_candidates(client: Any, served: Served) -> None:
    from gradio_client import handle_file

    prompt, answer = client.predict(handle_file(str(served.picture)), api_name="/invert")
    candidates = answer["candidates"]
    assert prompt == answer["prompt"] and candidates[0]["prompt"] == served.prompt
    assert 0 < answer["expected_cosine"] < 1 and not answer["outside"]
    assert len(answer["vector"]) == 384 and len(answer["neighbors"]) == 8
    scores = [candidate["score"] for candidate in candidates]
    assert scores == sorted(scores, reverse=True)
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    inputs = {
        name: [one["parameter_name"] for one in endpoint["parameters"]]
        for name, endpoint in named.items()
    }
    assert inputs == {"/invert": ["picture"], "/search": ["text", "count"]}
    outputs = [one["label"] for one in named["/invert"]["returns"]]
    assert outputs == ["prompt", "answer"]


def test_the_search_endpoint_finds_prompts_by_meaning(client: Any, served: Served) -> None:
    found = client.predict(served.prompt, 3, api_name="/search")
    assert found[0]["prompt"] == served.prompt and found[0]["score"] > 0.99
    assert len(found) == 3 and found[0]["score"] >= found[1]["score"] >= found[2]["score"]


@pytest.mark.parametrize("name", [TEXT, BOMB])
def test_the_endpoint_says_what_is_wrong(
    client: Any, served: Served, name: str, tmp_path: Path
) -> None:
    from gradio_client import handle_file
    from gradio_client.exceptions import AppError

    path = bad_file(name, tmp_path, served)
    with pytest.raises(AppError, match="cannot read the picture .* wanted a whole PNG, JPEG"):
        client.predict(handle_file(str(path)), api_name="/invert")


@pytest.mark.parametrize("meta", [{}, {"meta": {"_type": "gradio.FileData"}}])
def test_the_endpoint_reads_no_file_that_was_not_uploaded(
    served: Served, meta: dict[str, Any]
) -> None:
    url = f"{served.url}gradio_api/call/invert"
    body = json.dumps({"data": [{"path": str(served.picture), **meta}]}).encode()
    call = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(call, timeout=15) as reply:
        event = json.load(reply)["event_id"]
    with urllib.request.urlopen(f"{url}/{event}", timeout=15) as reply:
        answer = reply.read().decode()
    assert "event: error" in answer
    assert served.prompt not in answer and "PNG" not in answer


def test_settings_answer_again_and_go_back_to_tuned(visit: Visit, served: Served) -> None:
    visit.upload(served.picture)
    before = visit.answer()
    word = next(w for w in re.findall(r"\w+", before) if len(w) > 4)
    visit.page.click("#up-settings button >> nth=0")
    visit.page.fill("#up-ban textarea, #up-ban input", word)
    visit.page.press("#up-ban textarea, #up-ban input", "Enter")
    text = visit.page.locator(".up-prompt .up-text")
    expect(text).not_to_contain_text(word, timeout=PATIENCE_MS)
    visit.set_alpha("1")
    share = visit.page.locator(".up-share span >> nth=0")
    expect(share).to_have_text("neighbors 100 %", timeout=PATIENCE_MS)
    assert visit.page.locator(".up-truth").count() == 0, "only its name is that of an example"
    visit.page.click("#up-reset")
    expect(share).not_to_have_text("neighbors 100 %", timeout=PATIENCE_MS)
    expect(text).to_have_text(before, timeout=PATIENCE_MS)
    assert visit.page.input_value("#up-ban textarea, #up-ban input") == ""


def test_what_the_file_says_comes_first(visit: Visit, served: Served, tmp_path: Path) -> None:
    info = PngInfo()
    drawn = "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 64x64, Model: sd2"
    info.add_text("parameters", f"{HOSTILE} fox\nNegative prompt: blur\n{drawn}")
    path = tmp_path / "written.png"
    Image.open(served.picture).save(path, pnginfo=info)
    visit.upload(path)
    visit.page.wait_for_selector(".up-metadata", timeout=PATIENCE_MS)
    assert visit.page.inner_text(".up-metadata .up-text") == f"{HOSTILE} fox"
    assert "AUTOMATIC1111" in visit.page.inner_text(".up-answer h2 >> nth=0")


def test_many_pictures_give_a_table_to_download(
    visit: Visit, served: Served, tmp_path: Path
) -> None:
    """A bad file is a row with its reason; the files hold what the table shows."""
    bad = tmp_path / "bad.png"
    bad.write_text("no picture")
    copies = [tmp_path / f"{place}.png" for place in range(3)]
    for copy in copies:
        shutil.copy(served.picture, copy)
    visit.page.click("button[role=tab]:has-text('Many pictures')")
    visit.page.set_input_files("#up-files input[type=file]", [str(p) for p in (*copies, bad)])
    visit.page.wait_for_function(
        "document.querySelectorAll('#up-files tr, #up-files .file').length >= 4",
        timeout=PATIENCE_MS,
    )
    visit.page.click("#up-start")
    expect(visit.page.locator("#up-table")).to_contain_text("cannot read", timeout=2 * PATIENCE_MS)
    tables = []
    for kind in ("csv", "parquet"):
        with visit.page.expect_download(timeout=PATIENCE_MS) as download:
            visit.page.click(f"#up-{kind}")
        read = pl.read_csv if kind == "csv" else pl.read_parquet
        tables.append(read(download.value.path()))
    for table in tables:
        assert table["image"].to_list() == ["0.png", "1.png", "2.png", "bad.png"]
        assert table["status"].to_list() == ["success"] * 3 + ["failed"]
        assert table["prompt"].n_unique() == 2


def test_the_index_tab_searches_by_text(visit: Visit, served: Served) -> None:
    visit.page.click("button[role=tab]:has-text('The index')")
    assert "320 pictures of 320 prompts" in visit.page.inner_text(".up-facts")
    visit.page.fill("#up-search textarea, #up-search input", served.prompt)
    visit.page.press("#up-search textarea, #up-search input", "Enter")
    first = visit.page.locator("#up-found .up-text >> nth=0")
    expect(first).to_have_text(served.prompt, timeout=PATIENCE_MS)


def test_two_visitors_at_once(browser: Any, context: Any, served: Served) -> None:
    """Two browser profiles ask before either has an answer; each gets its own."""
    other = browser.new_context()
    with visiting(context, served) as one, visiting(other, served) as two:
        for visit, number in ((one, 1), (two, 2)):
            visit.page.click(f".up-examples button >> nth={number}")
        for visit, word in ((one, "strawberries"), (two, "wheelbarrow")):
            truth = visit.page.locator(".up-truth")
            expect(truth).to_contain_text(word, timeout=PATIENCE_MS)
    other.close()


def test_the_command_serves_until_interrupted_and_leaves_nothing(
    tiny_run: Path, tmp_path: Path
) -> None:
    temporary, work = tmp_path / "temporary", tmp_path / "work"
    temporary.mkdir()
    work.mkdir()
    command = [sys.executable, "-c", "from unprompt.ui.cli.main import main; main()", "demo"]
    options = ["--bundle", str(tiny_run / "bundle"), "--port", "0", "--no-open"]
    environment = os.environ | {
        "TMPDIR": str(temporary),
        "HTTP_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
    }
    with subprocess.Popen(
        command + options,
        cwd=work,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+/", line)
        assert address, process.communicate(timeout=30)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        assert b"gradio" in opener.open(address[0], timeout=15).read()
        assert len(list(temporary.glob("unprompt-demo-*"))) == 1
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert errors == ""
    assert list(temporary.glob("unprompt-demo-*")) == []
    assert list(work.iterdir()) == []


def test_a_port_in_use_is_named(cli: Any, tiny_run: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = cli("demo", "--bundle", tiny_run / "bundle", "--port", port, "--no-open")
    assert result.code == 1
    assert f"port {port} of 127.0.0.1" in result.err and "`--port`" in result.err


def test_an_impossible_port_is_refused(cli: Any) -> None:
    result = cli("demo", "--port", 70000, "--no-open")
    assert result.code == 1
    assert "--port must be from 0 to 65535, got 70000" in result.err


def test_a_bundle_that_is_not_whole_is_named(cli: Any, tmp_path: Path) -> None:
    result = cli("demo", "--bundle", tmp_path, "--port", 0, "--no-open")
    assert result.code == 1
    assert "is not a finished bundle" in result.err


def test_without_gradio_the_install_line_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'unprompt\[demo,cpu\]'"):
        load_gradio()
