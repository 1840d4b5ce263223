"""A visitor of the page by plain HTTP: the steps that it takes, and what became of each."""

import json
import random
import socket
import struct
import time
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx

API = "gradio_api"
PATIENCE = 90.0  # seconds
HOSTILE = "<img src=x onerror=alert(1)>"


class HttpVisitor:
    """Takes random steps until a time; counts each outcome, and notes the slowest of each step."""

    def __init__(
        self,
        url: str,
        pictures: list[Path],
        seed: int,
        outcomes: Counter[str],
        slowest: dict[str, float],
    ) -> None:
        self._url = url
        self._pictures = pictures
        self._random = random.Random(seed)
        self._outcomes = outcomes
        self._slowest = slowest

    def stay(self, end: float) -> None:
        """Take steps until `end`, of `time.monotonic`."""
        steps: list[Callable[[httpx.Client], str]] = [
            self.ask_about_picture,
            self.ask_about_picture,
            self.ask_about_bad_file,
            self.search,
            self.search_badly,
            self.ask_past_the_controls,
            self.break_off_upload,
            self.upload_too_much,
            self.leave_before_the_answer,
            self.cancel,
            self.come_from_elsewhere,
            self.send_nonsense,
        ]
        while time.monotonic() < end:
            step = self._random.choice(steps)
            begun = time.monotonic()
            try:
                with httpx.Client(base_url=self._url, timeout=PATIENCE, trust_env=False) as client:
                    outcome = step(client)
            except (httpx.HTTPError, ValueError, KeyError) as error:
                outcome = f"bad: {type(error).__name__}: {error}"[:120]
            self._outcomes[f"{step.__name__}: {outcome}"] += 1
            took = time.monotonic() - begun
            self._slowest[step.__name__] = max(took, self._slowest.get(step.__name__, 0.0))

    def upload(self, client: httpx.Client, name: str, content: bytes) -> httpx.Response:
        return client.post(f"{API}/upload", files={"files": (name, content)})

    def call(self, client: httpx.Client, name: str, *data: object) -> str:
        """The outcome of one call: answered, refused with a reason, or bad."""
        asked = client.post(f"{API}/call/{name}", json={"data": data})
        if asked.status_code != 200:
            return judge(asked)
        reply = client.get(f"{API}/call/{name}/{asked.json()['event_id']}")
        if "event: complete" in reply.text:
            return "answered"
        reason = json.loads(reply.text.split("data: ")[-1].strip())
        told = isinstance(reason, dict) and reason.get("error")
        return "refused" if told and "failed to answer" not in told else f"bad: {reason}"

    def ask_about_picture(self, client: httpx.Client) -> str:
        picture = self._random.choice(self._pictures)
        return self._ask(client, picture.name, picture.read_bytes())

    def _ask(self, client: httpx.Client, name: str, content: bytes) -> str:
        reply = self.upload(client, name, content)
        if reply.status_code != 200:
            return judge(reply)
        file = {"path": reply.json()[0], "meta": {"_type": "gradio.FileData"}}
        return self.call(client, "invert", file)

    def ask_about_bad_file(self, client: httpx.Client) -> str:
        whole = self._random.choice(self._pictures).read_bytes()
        at = self._random.randrange(20, len(whole))
        content = self._random.choice(
            [whole[:at], b"", b"no picture", png_header(20_000, 10_000), whole[at:], bytes(5000)]
        )
        return self._ask(client, f"{HOSTILE}.png", content)

    def search(self, client: httpx.Client) -> str:
        return self.call(client, "search", "a fox in the snow", self._random.randint(1, 50))

    def search_badly(self, client: httpx.Client) -> str:
        texts = [HOSTILE, "a" * 100_000, "\N{PILE OF POO}" * 900, 5, None, ["a"], {"a": 1}]
        return self.call(
            client, "search", self._random.choice(texts), self._random.choice([5, 9e9])
        )

    def ask_past_the_controls(self, client: httpx.Client) -> str:
        values = ["", False, 77, 6800, "softmax", 1e9, float(10**9)]
        self._random.shuffle(values)
        body = {"data": [None, *values], "fn_index": self._random.randrange(40)}
        session = f"s{self._random.randrange(10**9)}"
        asked = client.post(f"{API}/queue/join", json=body | {"session_hash": session})
        if asked.status_code != 200:
            return judge(asked)
        reply = client.get(f"{API}/queue/data", params={"session_hash": session})
        return "answered" if "process_completed" in reply.text else f"bad: {reply.text[-100:]}"

    def break_off_upload(self, client: httpx.Client) -> str:
        head = (
            f"POST /{API}/upload HTTP/1.1\r\nHost: {client.base_url.host}\r\n"
            "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 900000\r\n\r\n"
            '--b\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
        )
        with socket.create_connection((client.base_url.host, client.base_url.port or 80)) as line:
            line.sendall(head.encode() + bytes(200_000))
            time.sleep(self._random.random())
        return "left"

    def upload_too_much(self, client: httpx.Client) -> str:
        try:
            return judge(self.upload(client, "large.png", bytes(22 * 2**20)))
        except httpx.WriteError:
            return "refused"  # while it was being sent

    def leave_before_the_answer(self, client: httpx.Client) -> str:
        asked = client.post(f"{API}/call/search", json={"data": ["a fox", 5]})
        if asked.status_code != 200:
            return judge(asked)
        with client.stream("GET", f"{API}/call/search/{asked.json()['event_id']}"):
            return "left"

    def cancel(self, client: httpx.Client) -> str:
        session = f"s{self._random.randrange(10**9)}"
        body = {"session_hash": session, "fn_index": 1, "event_id": "none"}
        return judge(client.post(f"{API}/cancel", json=body))

    def come_from_elsewhere(self, client: httpx.Client) -> str:
        foreign = self._random.choice([{"Host": "evil.example"}, {"Origin": "http://evil.example"}])
        path = self._random.choice(["", f"{API}/info", "config"])
        reply = client.get(path, headers=foreign)
        return "refused" if reply.status_code == 403 else f"bad: {reply.status_code}"

    def send_nonsense(self, client: httpx.Client) -> str:
        file = {"path": "http://127.0.0.1:1/x.png", "meta": {"_type": "gradio.FileData"}}
        bodies = [b"", b"{", b"[" * 9999, b'{"data": ["\\ud800"]}', json.dumps({"data": [file]})]
        path = self._random.choice(["queue/join", "call/invert", "call/search", "cancel", "run/x"])
        headers = {"Content-Type": "application/json"}
        reply = client.post(f"{API}/{path}", content=self._random.choice(bodies), headers=headers)
        return judge(reply)


def judge(reply: httpx.Response) -> str:
    """Whether a reply answers, or refuses with a reason."""
    if reply.status_code == 200:
        return "answered"
    reason = reply.json().get("detail") if "json" in reply.headers.get("content-type", "") else ""
    polite = reply.status_code < 500 or reply.status_code == 503
    return "refused" if polite and reason else f"bad: {reply.status_code} {reply.text[:80]}"


def png_header(width: int, height: int) -> bytes:
    """A PNG that declares a size and holds next to nothing."""
    written = b"\x89PNG\r\n\x1a\n"
    for name, body in (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(1000))),
        (b"IEND", b""),
    ):
        check = struct.pack(">I", zlib.crc32(name + body))
        written += struct.pack(">I", len(body)) + name + body + check
    return written
