"""The page in a real browser: a picture gives its prompt, a bad file an error, nothing leaves."""

import re
from pathlib import Path
from typing import Any

import pytest
from the_page import (
    BOMB,
    HOSTILE,
    PATIENCE_MS,
    TEXT,
    TRUNCATED,
    Served,
    Visit,
    bad_file,
    expect,
    shared_words,
    visiting,
)  # fmt: skip

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
        # Gradio asks for the progress of the upload that it does not begin.
        assert [e for e in visit.errors if "404" not in e and e != "Response"] == []
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
