"""The gate before the page: what it lets through to the application behind it, and what not."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from unprompt.ui.page.server.events import Events
from unprompt.ui.page.server.gate import Gate
from unprompt.ui.page.server.hosts import Hosts
from unprompt.ui.page.server.limits import Limits
from unprompt.ui.page.server.uploads import Uploads
from unprompt.ui.page.server.visitors import Logins, Requests

httpx = pytest.importorskip("httpx", reason="the extra `demo` brings httpx")
pytest.importorskip("python_multipart", reason="the extra `demo` brings python-multipart")
LIMITS = Limits(file_bytes=2000, visitor_bytes=5000, json_bytes=3000, pause_seconds=0.3)
CALL = "/gradio_api/call/invert"
QUEUE = SimpleNamespace(event_ids_to_events={})
PAGE: Any = SimpleNamespace(
    _queue=QUEUE, fns={3: SimpleNamespace(fn=print, api_name="invert", inputs=["picture"])}
)

Respond = Callable[[dict[str, Any], bytes], Awaitable[tuple[int, bytes]]]


async def echo(scope: dict[str, Any], body: bytes) -> tuple[int, bytes]:
    """What the application behind the gate has seen."""
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    seen = {"client": scope["client"][0], "headers": headers, "body": body.decode("latin-1")}
    return 200, json.dumps(seen).encode()


def make_gate(folder: Path, allowed: Sequence[str] = (), respond: Respond = echo) -> Gate:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        status, answer = await respond(scope, body)
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": answer})

    uploads = Uploads(folder, LIMITS, kept=folder / "examples")
    requests, logins = Requests(LIMITS), Logins(LIMITS)
    events, hosts = Events(PAGE, LIMITS), Hosts(tuple(allowed))
    return Gate(application, hosts, LIMITS, uploads, requests, logins, events)


def ask(
    gate: Gate, method: str, path: str, url: str = "http://127.0.0.1:7860", **options: Any
) -> Any:
    async def once() -> Any:
        transport = httpx.ASGITransport(gate)
        async with httpx.AsyncClient(transport=transport, base_url=url) as client:
            return await client.request(method, path, **options)

    return asyncio.run(once())


@pytest.mark.parametrize(
    ("server", "host", "allowed", "status"),
    [
        ("127.0.0.1", "127.0.0.1:7860", (), 200),
        ("127.0.0.2", "127.0.0.2:7860", (), 200),
        ("127.0.0.1", "LOCALHOST:8000", (), 200),  # ssh -L 8000:localhost:7860
        ("[::1]", "[::1]:7860", (), 200),
        ("127.0.0.1", "evil.example", (), 403),
        ("127.0.0.1", "evil.example:7860", (), 403),
        ("127.0.0.1", "localhost.evil.example", (), 403),
        ("127.0.0.1", "127.0.0.1.evil.example", (), 403),
        ("127.0.0.1", "localhost@evil.example", (), 403),
        ("127.0.0.1", "localhost:7860/", (), 403),
        ("127.0.0.1", "192.168.1.9", (), 403),
        ("127.0.0.1", "0.0.0.0:7860", (), 403),
        ("127.0.0.1", "", (), 403),
        ("192.168.1.9", "192.168.1.9:7860", (), 200),
        ("192.168.1.9", "localhost:7860", (), 403),
        ("127.0.0.1", "pictures.example.org", ("pictures.example.org",), 200),
        ("127.0.0.1", "pictures.example.org:8443", ("pictures.example.org:8443",), 200),
        ("127.0.0.1", "pictures.example.org:80", ("pictures.example.org:8443",), 403),
    ],
)
def test_only_the_names_of_the_page_are_answered(
    tmp_path: Path, server: str, host: str, allowed: tuple[str, ...], status: int
) -> None:
    """A name that an attacker has pointed to this machine reaches it; its Host tells."""
    gate = make_gate(tmp_path, allowed)
    for method, path in (("GET", "/config"), ("GET", "/"), ("POST", CALL)):
        reply = ask(
            gate, method, path, f"http://{server}:7860", headers={"Host": host}, json={"data": [""]}
        )
        assert reply.status_code == status, reply.text
        assert status == 200 or "--allow-host" in reply.json()["detail"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://127.0.0.1:7860"}, 200),
        ({"Origin": "https://pictures.example.org"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:9999"}, 403),  # another program of this machine
        ({"Origin": "http://127.0.0.1"}, 403),
        ({"Origin": "http://localhost:7860"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "file://"}, 403),
        ({"Origin": ""}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate"}, 403),
    ],
)
def test_pages_of_other_sites_cannot_ask(
    tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    gate = make_gate(tmp_path, ["pictures.example.org"])
    for method, path in (("POST", CALL), ("GET", "/gradio_api/info"), ("GET", "/logout")):
        reply = ask(gate, method, path, headers=headers, json={"data": [""]})
        assert reply.status_code == status, reply.text
    upload = ask(
        gate, "POST", "/gradio_api/upload", headers=headers, files={"files": ("a.png", b"a")}
    )
    assert upload.status_code == status


def test_a_link_from_another_site_opens_the_page(tmp_path: Path) -> None:
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    gate = make_gate(tmp_path)
    reply = ask(gate, "GET", "/", headers=followed)
    assert reply.status_code == 200
    assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]
    assert ask(gate, "OPTIONS", "/", headers={"Origin": "http://evil.example"}).status_code == 403
    assert ask(gate, "OPTIONS", "/").status_code == 405


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/gradio_api/run/invert", 404),
        ("POST", "/gradio_api/api/search", 404),
        ("POST", "/gradio_api/component_server", 404),
        ("POST", "/gradio_api/vibe-edit/", 404),
        ("POST", "/gradio_api/call/private", 404),
        ("GET", "/gradio_api/proxy=https://a.hf.space/x", 404),
        ("GET", "/gradio_api/deep_link", 404),
        ("GET", "/gradio_api/file=/etc/passwd", 403),
        ("GET", "/gradio_api/file=http://127.0.0.1:1/x", 403),
        ("GET", "/gradio_api/file={folder}/../secret", 403),
        ("GET", "/gradio_api/file={folder}/%2e%2e/secret", 403),
        ("GET", "/gradio_api/file={folder}/a/x.png", 200),
        ("GET", "/gradio_api/heartbeat/" + "a" * 65, 404),
        ("GET", "/gradio_api/queue/data?session_hash=" + "a" * 65, 400),
        ("GET", "/gradio_api/queue/data?session_hash=abc", 200),
        ("GET", "/" + "a" * 2000, 414),
        ("GET", "/?a=" + "a" * 2000, 414),
        ("PUT", "/", 405),
    ],
)
def test_only_what_the_page_uses_is_reached(
    tmp_path: Path, method: str, path: str, status: int
) -> None:
    reply = ask(make_gate(tmp_path), method, path.format(folder=tmp_path), json={"data": [""]})
    assert reply.status_code == status, reply.text


def test_a_proxy_names_the_visitor_and_no_one_else_does(tmp_path: Path) -> None:
    headers = {
        "X-Forwarded-For": "1.1.1.1, 2.2.2.2",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "X-Gradio-Server": "http://evil.example",
    }
    seen = ask(make_gate(tmp_path), "GET", "/", headers=headers).json()
    assert seen["client"] == "127.0.0.1"
    assert not [name for name in seen["headers"] if name.startswith("x-")]
    behind = make_gate(tmp_path, ["pictures.example.org"])
    seen = ask(behind, "GET", "/", headers=headers).json()
    assert seen["client"] == "2.2.2.2"
    assert [name for name in seen["headers"] if name.startswith("x-")] == ["x-forwarded-proto"]


def test_an_error_behind_the_gate_has_an_id_that_the_log_explains(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(scope: Any, body: bytes) -> Any:
        raise KeyError("a secret")

    with caplog.at_level(logging.ERROR, "unprompt.page"):
        reply = ask(make_gate(tmp_path, respond=fail), "GET", "/")
    assert reply.status_code == 500 and "secret" not in reply.text
    name = reply.json()["detail"].split()[-1]
    assert len(name) == 8 and name in caplog.text and "a secret" in caplog.text


def test_uploads_are_counted_on_their_way(tmp_path: Path) -> None:
    async def uploaded(scope: Any, body: bytes) -> tuple[int, bytes]:
        return 200, b"[]"

    gate = make_gate(tmp_path, respond=uploaded)
    path = "/gradio_api/upload"

    def upload(**options: Any) -> tuple[int, str]:
        reply = ask(gate, "POST", path, **options)
        return reply.status_code, reply.text

    assert upload(files={"files": ("a.png", b"a" * 1500)})[0] == 200
    status, why = upload(files={"files": ("a.png", b"a" * 2500)})
    assert status == 413 and "unprompt invert FILE" in why
    for bad in ({"data": {"files": "y"}}, {"files": {"other": ("a.png", b"a")}}):
        assert upload(**({"files": {"files": ("a.png", b"a")}} | bad))[0] == 400
    assert upload(files={"files": ("a" * 300, b"a")})[0] == 400
    many = [("files", (f"{n}.png", b"a" * 1500)) for n in range(4)]
    status, why = upload(files=many)
    assert status == 413 and "an upload holds at most" in why
    assert upload(content=b"--a", headers={"Content-Type": "text/plain"})[0] == 400
    form = {"Content-Type": "multipart/form-data; boundary=a"}
    assert upload(content=b"no multipart", headers=form)[0] == 400

    async def endless() -> Any:
        yield b"--a\r\n"

    status, why = upload(content=endless(), headers=form)
    assert status == 411 and "Content-Length" in why


def test_bodies_that_stall_or_grow_are_given_up(tmp_path: Path) -> None:
    async def stalling() -> Any:
        yield b'{"data":'
        await asyncio.sleep(5)

    reply = ask(make_gate(tmp_path), "POST", CALL, content=stalling())
    assert reply.status_code == 408 and "must arrive within" in reply.text
    reply = ask(make_gate(tmp_path), "POST", CALL, json={"data": ["a" * 4000]})
    assert reply.status_code == 413


def test_too_many_events_of_one_visitor_are_refused(tmp_path: Path) -> None:
    one = SimpleNamespace(request=SimpleNamespace(client=SimpleNamespace(host="127.0.0.1")))
    QUEUE.event_ids_to_events = {str(n): one for n in range(LIMITS.visitor_events)}
    try:
        reply = ask(make_gate(tmp_path), "POST", CALL, json={"data": [""]})
    finally:
        QUEUE.event_ids_to_events = {}
    assert reply.status_code == 429 and reply.headers["retry-after"]
    assert ask(make_gate(tmp_path), "POST", CALL, json={"data": [""]}).status_code == 200
