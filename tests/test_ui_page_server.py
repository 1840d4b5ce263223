"""A page of Gradio behind the gate, as it is served: logins, files on disk, errors, the stop."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from unprompt.index.base.errors import UnpromptError
from unprompt.ui.page.gradio_library import load_gradio
from unprompt.ui.page.serve import check_reach
from unprompt.ui.page.server.events import guard
from unprompt.ui.page.server.failures import (
    MAX_TRACEBACKS,
    describe_failure,
    told,
)
from unprompt.ui.page.server.limits import Limits
from unprompt.ui.page.server.listen import Served, bind, close_silent, own_url
from unprompt.ui.page.server.refusal import Refusal
from unprompt.ui.page.server.visitors import Logins, Requests, visitor_of

httpx = pytest.importorskip("httpx", reason="the extra `demo` brings httpx")


@contextmanager
def served(folder: Path, login: tuple[str, str] | None = None) -> Iterator[Served]:
    """A page with one endpoint, `/search`, that fails in a way its text names."""
    pytest.importorskip("gradio", reason="the extra `demo`")
    from unprompt.ui.page.serve import serve_page

    gr = load_gradio()

    def search(text: Any) -> str:
        if text == "refuse":
            raise UnpromptError("a reason of two\ud800 lines")
        return {"surrogate": "fox \udcff"}.get(text) or text["missing"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        with gr.Blocks() as page:
            text, answer = gr.Textbox(), gr.Textbox()
            gr.Button().click(told(gr, search), text, answer, api_name="search", preprocess=False)
        page.queue(api_open=False)
        guard(gr, page)
        with bind("127.0.0.1", 0) as listener:
            running = serve_page(page, listener, login=login)
            try:
                yield running
            finally:
                running.stop()
    assert not running.thread.is_alive()


def ask(client: Any, value: Any) -> str:
    asked = client.post("gradio_api/call/search", json={"data": [value]}).json()
    return str(client.get(f"gradio_api/call/search/{asked['event_id']}").text)


def test_every_failure_is_a_sentence(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The log has a traceback, under the id of the sentence, for what is no visitor's doing."""
    with served(tmp_path) as page, httpx.Client(base_url=page.url, trust_env=False) as client:
        with caplog.at_level(logging.ERROR, "unprompt.page"):
            assert "a reason of two\\ufffd lines" in ask(client, "refuse")
            assert not caplog.records
            failed = ask(client, "fail")
            name = failed.split("under error ")[1][:8]
            assert name in caplog.text and "Traceback" in caplog.text
        assert '["fox \\ufffd"]' in ask(client, "surrogate")
        reply = client.post("gradio_api/queue/join", json={"data": [], "fn_index": 99})
        assert reply.status_code == 400
        for path in ("gradio_api/run/search", "gradio_api/api/search"):
            assert client.post(path, json={"data": ["refuse"]}).status_code == 404
        assert client.get("gradio_api/file=/etc/passwd").status_code == 403
        name = client.post("gradio_api/upload", files={"files": ("a.png", b"a" * 99)}).json()[0]
        assert client.get(f"gradio_api/file={name}").content == b"a" * 99
        large = client.post("gradio_api/upload", files={"files": ("b.png", bytes(21 * 2**20))})
        assert large.status_code == 413 and "at most 20 MB" in large.json()["detail"]
        assert [path.name for path in tmp_path.iterdir()] == [Path(name).parent.name]
        assert client.get("/").status_code == 200


def test_failed_logins_are_slowed_down(tmp_path: Path) -> None:
    with served(tmp_path, ("me", "secret")) as page:
        with httpx.Client(base_url=page.url, trust_env=False) as client:
            right = {"username": "me", "password": "secret"}
            wrong = right | {"password": "guess"}
            upload = client.post("gradio_api/upload", files={"files": ("a.png", b"a")})
            assert upload.status_code == 401
            assert client.get("config").status_code == 401
            for _ in range(3):
                assert client.post("login", data=wrong).status_code == 400
            assert client.post("login", data=right).status_code == 200
            codes = [client.post("login", data=wrong).status_code for _ in range(7)]
            assert codes == [400] * 5 + [429] * 2
            reply = client.post("login", data=right)
            assert reply.status_code == 429 and 0 < int(reply.headers["retry-after"]) <= 60
            assert client.get("config").status_code == 200, "who is logged in stays so"


def test_logins_are_counted_by_visitor() -> None:
    logins = Logins(Limits(visitor_logins=2, total_logins=3))
    for visitor in ("a", "a", "b"):
        logins.attempt(visitor)
    for visitor in ("a", "c"):
        with pytest.raises(Refusal):
            logins.attempt(visitor)
    logins.succeed("b")
    logins.attempt("c")


def test_connections_that_ask_nothing_are_closed() -> None:
    class Connection:
        def __init__(self, cycle: Any) -> None:
            self.cycle, self.transport = cycle, self
            self.closed = False

        def close(self) -> None:
            self.closed = True

    silent, busy = Connection(None), Connection(SimpleNamespace(response_complete=False))
    waiting = Connection(SimpleNamespace(response_complete=True))
    idle: dict[Any, Any] = {}
    for _ in range(2):
        close_silent([silent, busy, waiting], idle)
    waiting.cycle = SimpleNamespace(response_complete=True)  # it has asked once more
    for _ in range(2):
        close_silent([silent, busy, waiting], idle)
    assert silent.closed and not busy.closed and not waiting.closed


def test_open_requests_are_counted_by_visitor() -> None:
    requests = Requests(Limits(visitor_requests=1, total_requests=2))
    with requests.admit("a"), requests.admit("b"):
        for visitor, status in (("a", 429), ("c", 503)):
            with pytest.raises(Refusal) as refused, requests.admit(visitor):
                pass
            assert refused.value.status == status
    with requests.admit("a"), requests.admit("c"):
        pass


@pytest.mark.parametrize(
    ("peer", "forwarded", "visitor"),
    [
        ("10.0.0.7", "", "10.0.0.7"),
        ("::ffff:10.0.0.7", "", "10.0.0.7"),
        ("2001:db8::1:2:3:4", "", "2001:db8::/64"),
        ("127.0.0.1", "6.6.6.6, 10.0.0.7", "10.0.0.7"),
        ("::1", "10.0.0.7", "10.0.0.7"),
        ("10.0.0.8", "10.0.0.7", "10.0.0.8"),  # the proxy is on this machine
        ("127.0.0.1", "no address", "unknown"),
        ("127.0.0.1", "", "127.0.0.1"),
    ],
)
def test_a_visitor_is_an_address(peer: str, forwarded: str, visitor: str) -> None:
    headers = [(b"x-forwarded-for", forwarded.encode())] if forwarded else []
    scope = {"client": (peer, 1), "headers": headers}
    assert visitor_of(scope, behind_proxy=True) == visitor
    direct = visitor_of(scope, behind_proxy=False)
    assert direct == visitor_of(scope | {"headers": []}, behind_proxy=True)


@pytest.mark.parametrize("name", ["http://a.org", "A.org", "a.org/", "", "a b", "*"])
def test_names_of_the_page_are_checked(cli: Any, name: str) -> None:
    result = cli("demo", "--allow-host", name, "--no-open")
    assert result.code == 1 and "--allow-host" in result.err


def test_beyond_this_machine_a_login_is_required(cli: Any) -> None:
    result = cli("demo", "--host", "0.0.0.0", "--port", 0, "--no-open")
    assert result.code == 1
    assert "--auth NAME:PASSWORD" in result.err and "--host 127.0.0.1" in result.err


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:{}/"),
        ("localhost", ""),
        ("0.0.0.0", "http://127.0.0.1:{}/"),
    ],
)
def test_a_login_comes_with_a_warning_beyond_this_machine(
    host: str, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The socket is bound and never listens."""
    with bind(host, 0) as listener:
        check_reach(listener, ("me", "secret"))
        port = listener.getsockname()[1]
        if host != "localhost":  # one of two addresses
            assert own_url(listener) == url.format(port)
    warned = "travel unencrypted" in capsys.readouterr().err
    assert warned == (host == "0.0.0.0")


def test_an_impossible_host_is_named(cli: Any) -> None:
    result = cli("demo", "--host", "no.such.host.invalid", "--port", 0, "--no-open")
    assert result.code == 1 and "no.such.host.invalid" in result.err
    result = cli("demo", "--auth", "nameonly", "--no-open")
    assert result.code == 1 and "NAME:PASSWORD" in result.err


def test_the_log_takes_so_many_tracebacks_a_minute(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    later = time.monotonic() + 100
    monkeypatch.setattr(time, "monotonic", lambda: later)
    told = [describe_failure(KeyError(n)) for n in range(MAX_TRACEBACKS + 5)]
    assert len(set(told)) == len(caplog.records) == MAX_TRACEBACKS + 5
    assert sum(bool(record.exc_info) for record in caplog.records) == MAX_TRACEBACKS
    monkeypatch.setattr(time, "monotonic", lambda: later + 61)
    describe_failure(KeyError("a"))
    assert caplog.records[-1].exc_info
