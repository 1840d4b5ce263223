"""JSON bodies and values of the page's API, as a hostile client sends them."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from unprompt.index.base.errors import ConfigError
from unprompt.inversion.estimate.blend import Blend
from unprompt.inversion.estimate.knn import KnnConfig
from unprompt.ui.page.server.calls import JOIN, check_json
from unprompt.ui.page.server.events import Events
from unprompt.ui.page.server.limits import MAX_FILES, MAX_TEXT, Limits
from unprompt.ui.page.server.refusal import Refusal
from unprompt.ui.page.server.values import check_number, check_text
from unprompt.ui.page.settings import make_query

META = {"meta": {"_type": "gradio.FileData"}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "uploads"
    folder.mkdir()
    (tmp_path / "secret").write_text("secret")
    (folder / "own.png").write_text("own")
    (folder / "link.png").symlink_to(tmp_path / "secret")
    return folder


@pytest.mark.parametrize(
    "path",
    [
        "http://127.0.0.1:1/x.png",
        "HTTPS://evil.example/x.png",
        "ftp://evil.example/x.png",
        "file:///etc/passwd",
        " http://evil.example/x.png",
        "/etc/passwd",
        "{folder}/../secret",
        "{folder}/link.png",
        "own.png",
        "",
        "{folder}/own.png\0",
        ["{folder}/own.png"],
        5,
    ],
)
@pytest.mark.parametrize("wrap", [lambda f: f, lambda f: [{"a": [f]}], lambda f: {"value": f}])
def test_files_must_be_uploaded_and_nothing_is_fetched(folder: Path, path: Any, wrap: Any) -> None:
    if isinstance(path, str):
        path = path.format(folder=folder)
    body = json.dumps({"data": [wrap({"path": path, **META})]}).encode()
    with pytest.raises(Refusal) as refused:
        check_json(body, folder)
    assert refused.value.status == 400


def test_an_upload_may_be_asked_about(folder: Path) -> None:
    own = str(folder / "own.png")
    url = f"http://127.0.0.1:7860/gradio_api/file={own}"
    for file in ({"path": own}, {"path": own, "url": url}, {"path": own, "url": None}):
        assert check_json(json.dumps({"data": [file | META]}).encode(), folder)
    for url in ("http://evil.example/x.png", 5):
        with pytest.raises(Refusal):
            check_json(json.dumps({"data": [{"path": own, "url": url} | META]}).encode(), folder)
    many = {"data": [[{"path": own}] * (MAX_FILES + 1)]}
    with pytest.raises(Refusal) as refused:
        check_json(json.dumps(many).encode(), folder)
    assert refused.value.status == 413


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"5",
        b'{"data": [NaN]}',
        b'{"data": [Infinity]}',
        b'{"data": ["\\ud800"]}',
        b'{"data": ["\xff"]}',
        b'{"data": [' + b"9" * 5000 + b"]}",
        b'{"data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"data": ' + b"[" * 30 + b"]" * 30 + b"}",
        b'{"data": [], "session_hash": "../../x"}',
        b'{"data": [], "session_hash": 5}',
        b'{"data": [], "session_hash": "' + b"a" * 65 + b'"}',
    ],
)
def test_other_bodies_are_refused(folder: Path, body: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        check_json(body, folder)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "asked",
    [
        {"fn_index": 9, "data": ["a"]},
        {"fn_index": 2, "data": ["a"]},
        {"fn_index": True, "data": ["a"]},
        {"fn_index": "3", "data": ["a"]},
        {"fn_index": 3, "data": ["a", "b"]},
        {"fn_index": 3, "data": "a"},
        {"fn_index": 3},
        {"data": ["a"]},
    ],
)
def test_events_that_the_page_lacks_are_refused(asked: dict[str, Any]) -> None:
    own, in_browser = (
        SimpleNamespace(fn=fn, api_name="search", inputs=["text"]) for fn in (print, None)
    )
    page = SimpleNamespace(fns={2: in_browser, 3: own})
    events = Events(page, Limits())
    events.check(JOIN, {"fn_index": 3, "data": ["a"], "session_hash": "b"})
    with pytest.raises(Refusal):
        events.check(JOIN, asked | {"session_hash": "b"})
    for data in ([], ["a", "b"], "a", None, {"text": "a"}):
        with pytest.raises(Refusal, match="are not those of this endpoint"):
            events.check("/gradio_api/call/search", {"data": data})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("k", 6800),
        ("k", 0),
        ("k", -5),
        ("k", 2.5),
        ("k", 1e9),
        ("k", "5"),
        ("k", True),
        ("k", [5]),
        ("k", float("nan")),
        ("k", 10**400),
        ("tokens", 10**6),
        ("temperature", 0),
        ("temperature", float("inf")),
        ("alpha", 1.01),
        ("alpha", {}),
        ("weighting", "by magic"),
        ("weighting", ["softmax"]),
        ("artists", 1),
        ("artists", "yes"),
        ("ban", "a" * (MAX_TEXT + 1)),
        ("ban", ["neon"]),
    ],
)
def test_settings_past_their_controls_are_refused(name: str, value: Any) -> None:
    """The sliders of the page stop at their ends; a client that sends numbers does not."""
    with pytest.raises(ConfigError) as error:
        make_query(Blend(0.5, KnnConfig(k=20), 0.8, 10), {name: value})
    assert len(str(error.value)) < 200 and "wanted" in str(error.value)


def test_values_are_checked_by_type_and_range() -> None:
    assert check_number("k", 5, 1, 50, whole=True) == check_number("k", 5.0, 1, 50, whole=True)
    assert check_text("text", "a" * MAX_TEXT)
    for value in (0, 51, 6800, "5", None, [], 1.5, float("nan")):
        with pytest.raises(ConfigError, match="count: wanted a whole number from 1 to 50"):
            check_number("count", value, 1, 50, whole=True)
    for text in (None, 5, {}, "a" * (MAX_TEXT + 1)):
        with pytest.raises(ConfigError, match="text: wanted"):
            check_text("text", text)
