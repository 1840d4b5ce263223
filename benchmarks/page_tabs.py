"""Visitors of the page in tabs of Chromium: uploads, bad files, batches, stops and closed tabs."""

import os
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
).split()
PATIENCE_MS = 90_000
ANSWER = ".up-prompt:visible, .up-error:visible"


def visit_in_tabs(
    url: str,
    pictures: list[Path],
    count: int,
    end: float,
    outcomes: Counter[str],
    slowest: dict[str, float],
) -> None:
    """Open `count` tabs, each in its own profile, and take random steps in turn until `end`."""
    from playwright.sync_api import Error, sync_playwright

    chance = random.Random(7)
    bad = pictures[0].parent / "<img src=x onerror=alert(1)>.png"
    bad.write_text("no picture")
    steps = (invert, invert_bad, click_example, search, batch_and_stop, batch_and_leave)
    with sync_playwright() as session:
        browser = session.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        tabs = [open_tab(browser, url, outcomes) for _ in range(count)]
        while time.monotonic() < end:
            place, step = chance.randrange(count), chance.choice(steps)
            begun = time.monotonic()
            name = f"tab_{step.__name__}"
            try:
                closed = step(tabs[place], [chance.choice(pictures), bad])
                outcomes[f"{name}: {'left' if closed else 'answered'}"] += 1
            except Error as error:
                outcomes[f"{name}: bad: {str(error)[:100]}"] += 1
                closed = True
            slowest[name] = max(time.monotonic() - begun, slowest.get(name, 0.0))
            if closed:
                tabs[place].context.close()
                tabs[place] = open_tab(browser, url, outcomes)
        browser.close()


def open_tab(browser: Any, url: str, outcomes: Counter[str]) -> Any:
    """A tab that shows the page; a dialog is a probe that ran as a script."""
    tab = browser.new_context().new_page()
    tab.set_default_timeout(PATIENCE_MS)
    tab.on("dialog", lambda dialog: (outcomes.update(["tab: bad: script ran"]), dialog.dismiss()))
    tab.goto(url)
    tab.wait_for_selector("#up-picture input[type=file]", state="attached")
    return tab


def invert(tab: Any, pictures: list[Path]) -> bool:
    """Upload a picture and wait for its prompt."""
    show(tab, "One picture")
    clear(tab)
    tab.set_input_files("#up-picture input[type=file]", str(pictures[0]))
    tab.wait_for_selector(ANSWER)
    return False


def invert_bad(tab: Any, pictures: list[Path]) -> bool:
    """Upload a file that is no picture and wait for the reason."""
    show(tab, "One picture")
    clear(tab)
    tab.set_input_files("#up-picture input[type=file]", str(pictures[1]))
    tab.wait_for_selector(".up-error")
    return False


def click_example(tab: Any, pictures: list[Path]) -> bool:
    """Click an example and close the tab before its answer."""
    show(tab, "One picture")
    tab.click(".up-examples button >> nth=2")
    return True


def search(tab: Any, pictures: list[Path]) -> bool:
    """Search for a text."""
    show(tab, "The index")
    tab.fill("#up-search textarea, #up-search input", "<img src=x onerror=alert(1)>")
    tab.press("#up-search textarea, #up-search input", "Enter")
    tab.wait_for_selector("#up-found .up-candidates:visible, #up-found .up-error:visible")
    return False


def batch_and_stop(tab: Any, pictures: list[Path]) -> bool:
    """Start a batch and stop it."""
    start_batch(tab, pictures)
    tab.click("#up-stop")
    return True


def batch_and_leave(tab: Any, pictures: list[Path]) -> bool:
    """Start a batch and close the tab."""
    start_batch(tab, pictures)
    return True


def start_batch(tab: Any, pictures: list[Path]) -> None:
    """Upload some files, one of them bad, and start."""
    show(tab, "Many pictures")
    files = [str(path) for path in (*pictures, *pictures[0].parent.glob("*.jpg"))]
    tab.set_input_files("#up-files input[type=file]", files)
    tab.wait_for_function("document.querySelectorAll('#up-files tr, #up-files .file').length > 3")
    tab.click("#up-start")
    time.sleep(2)


def show(tab: Any, name: str) -> None:
    """Open one of the page's own tabs."""
    tab.click(f"button[role=tab]:has-text('{name}')")


def clear(tab: Any) -> None:
    """Take the last picture off the page."""
    button = tab.locator("#up-picture button[aria-label='Remove Image']")
    if button.count():
        button.first.click()
        tab.wait_for_selector(".up-empty")
