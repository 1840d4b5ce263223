"""Visits that go wrong, in a real browser: late answers, failures, stopped batches, probes."""

import re
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from the_page import HOSTILE, PATIENCE_MS, Served, Visit, expect, visiting

from unprompt.ui.page import many_pictures, the_index
from unprompt.ui.page.server.events import Events
from unprompt.ui.page.server.refusal import Refusal

SHOWN = ".up-prompt .up-text"


def second_picture(served: Served, folder: Path) -> Path:
    path = folder / "second.png"
    Image.open(served.picture).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(path)
    return path


def test_no_answer_stands_beside_another_picture(
    visit: Visit, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first picture is slow; the second is there before the answer to the first."""
    invert, asked, go_on = served.inverter.invert_images, threading.Event(), threading.Event()

    def slowly(*arguments: Any) -> Any:
        found = invert(*arguments)
        if not asked.is_set():
            asked.set()
            go_on.wait(30)
            return [replace(found[0], prompt="the first", phrases=())]
        return found

    visit.page.click(".up-examples button >> nth=1")
    visit.answer()
    monkeypatch.setattr(served.inverter, "invert_images", slowly)
    visit.upload(served.picture)
    expect(visit.page.locator(SHOWN)).to_have_count(0, timeout=PATIENCE_MS)
    assert asked.wait(30)
    visit.page.click("#up-picture button[aria-label='Remove Image']")
    visit.upload(second_picture(served, tmp_path))
    visit.page.wait_for_selector("#up-picture img[src*='second']", timeout=PATIENCE_MS)
    seen = visit.page.evaluate_handle(
        """() => {
          const seen = [];
          new MutationObserver(() => {
            const text = document.querySelector(".up-prompt .up-text");
            if (text?.checkVisibility()) seen.push(text.innerText);
          }).observe(document.body, { childList: true, subtree: true });
          return seen;
        }"""
    )
    go_on.set()
    expect(visit.page.locator(SHOWN)).not_to_have_text("the first", timeout=PATIENCE_MS)
    assert visit.answer() != "the first"
    assert "the first" not in seen.json_value()


def test_a_failure_takes_the_last_answer_away_and_has_an_id(
    visit: Visit, served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*arguments: Any) -> Any:
        raise RuntimeError("boom")

    visit.upload(served.picture)
    visit.answer()
    with monkeypatch.context() as patch:
        patch.setattr(served.inverter, "invert_images", fail)
        visit.page.click(".up-examples button >> nth=1")
        name = re.search(r"under error (\w{8})", visit.error())
    assert name and name[1] in caplog.text and "RuntimeError: boom" in caplog.text
    assert visit.page.locator(f"{SHOWN}, .up-tiles").count() == 0
    with monkeypatch.context() as patch:
        patch.setattr(
            Events, "admit", lambda self, who: (_ for _ in ()).throw(Refusal(503, "full"))
        )
        visit.page.click(".up-examples button >> nth=2")
        expect(visit.page.locator(".up-error")).to_contain_text("has not answered")
    visit.errors.clear()  # the browser notes the status
    visit.page.click(".up-examples button >> nth=2")
    assert visit.answer()


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[list[int], threading.Event]]:
    """The sizes of the parts of batches that have begun; a part waits for the event."""
    begun: list[int] = []
    go_on = threading.Event()

    def invert_slowly(inverter: Any, pictures: Any, *others: Any) -> Iterator[Any]:
        begun.append(len(pictures))
        go_on.wait(30)
        return iter(())

    monkeypatch.setattr(many_pictures, "invert_pictures", invert_slowly)
    monkeypatch.setattr(many_pictures, "BATCH", 2)
    yield begun, go_on
    go_on.set()


def start_batch(visit: Visit, served: Served, folder: Path, begun: list[int]) -> None:
    copies = [folder / f"{HOSTILE[:28]}{place}.png" for place in range(8)]
    for copy in copies:
        shutil.copy(served.picture, copy)
    visit.page.click("button[role=tab]:has-text('Many pictures')")
    visit.page.set_input_files("#up-files input[type=file]", [str(copy) for copy in copies])
    visit.page.wait_for_function(
        "document.querySelectorAll('#up-files tr, #up-files .file').length >= 8",
        timeout=PATIENCE_MS,
    )
    visit.page.click("#up-start")
    for _ in range(150):
        if begun:
            return
        visit.page.wait_for_timeout(100)
    raise AssertionError("the batch has not begun")


@pytest.mark.parametrize("way", ["stop", "leave"])
def test_a_batch_ends_with_its_visitor_and_holds_up_no_other(
    browser: Any, context: Any, served: Served, tmp_path: Path, batches: Any, way: str
) -> None:
    begun, go_on = batches
    other = browser.new_context()
    with visiting(other, served) as leaving:
        start_batch(leaving, served, tmp_path, begun)
        with visiting(context, served) as visit:
            visit.upload(served.picture)
            assert visit.answer(), "it does not wait for the batch"
        if way == "stop":
            leaving.page.click("#up-stop")
            leaving.page.wait_for_timeout(500)
    if way == "leave":
        threading.Event().wait(0.5)
    other.close()
    go_on.set()
    threading.Event().wait(0.5)
    assert begun == [2], "of four parts"


def test_probes_stay_text_wherever_they_come_from(
    visit: Visit, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the rows of a bank, the file's name and metadata, a search, and the table of a batch."""
    dialogs: list[str] = []
    visit.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    invert = served.inverter.invert_images

    def invert_hostile(*arguments: Any) -> Any:
        [found] = invert(*arguments)
        rows = tuple(one._replace(prompt=HOSTILE) for one in found.candidates)
        return [replace(found, prompt=HOSTILE, phrases=(), candidates=rows, neighbors=rows)]

    found = [{"prompt": HOSTILE, "score": 1.0, "row_id": 1, "world": HOSTILE}]
    monkeypatch.setattr(served.inverter, "invert_images", invert_hostile)
    monkeypatch.setattr(the_index, "search_prompts", lambda *arguments: found)
    info = PngInfo()
    info.add_text("parameters", f"{HOSTILE} fox\nNegative prompt: {HOSTILE}\nSteps: 20, Seed: 1")
    path = tmp_path / f"{HOSTILE}.png"
    Image.open(served.picture).save(path, pnginfo=info)
    visit.upload(path)
    expect(visit.page.locator(SHOWN).last).to_have_text(HOSTILE, timeout=PATIENCE_MS)
    assert visit.page.inner_text(".up-candidates .up-text >> nth=0") == HOSTILE
    assert visit.page.inner_text(".up-tiles figcaption span >> nth=0") == HOSTILE
    visit.page.click("button[role=tab]:has-text('The index')")
    visit.page.fill("#up-search textarea, #up-search input", HOSTILE)
    visit.page.press("#up-search textarea, #up-search input", "Enter")
    expect(visit.page.locator("#up-found .up-text")).to_have_text(HOSTILE, timeout=PATIENCE_MS)
    bad = tmp_path / f"bad{HOSTILE}.png"
    bad.write_text("no picture")
    visit.page.click("button[role=tab]:has-text('Many pictures')")
    visit.page.set_input_files("#up-files input[type=file]", [str(path), str(bad)])
    visit.page.click("#up-start")
    expect(visit.page.locator("#up-table")).to_contain_text("cannot read", timeout=PATIENCE_MS)
    expect(visit.page.locator("#up-table")).to_contain_text(HOSTILE)
    assert visit.page.locator("img[src=x]").count() == 0
    assert dialogs == []
