"""The page in a real browser: settings, metadata, many pictures, the index, two visitors."""

import re
import shutil
from pathlib import Path
from typing import Any

import polars as pl
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from the_page import HOSTILE, PATIENCE_MS, Served, Visit, expect, visiting


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
