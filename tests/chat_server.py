"""A chat endpoint on 127.0.0.1 for tests: it answers by the protocol, or as it is told to."""

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

THINGS = ("fox", "owl", "ship", "violin", "castle", "robot", "whale", "clock", "tree", "king")


def write_prompts(message: str, count: int) -> list[str]:
    """Prompts that depend on every letter of the message, as a model's do."""
    found = []
    for number in range(count):
        seed = int(hashlib.sha256(f"{number} {message}".encode()).hexdigest(), 16)
        thing, other = THINGS[seed % 10], THINGS[seed // 10 % 10]
        found.append(f"a {thing} with number {seed % 10**9} beside a {other}")
    return found


@dataclass
class Reply:
    """What to answer in place of a completion."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    promise: int | None = None  # Content-Length, where it is a lie


def completion(text: object) -> bytes:
    """A chat completion with this text."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": "stop",
    }
    return json.dumps({"choices": [choice], "usage": {"total_tokens": 7}}).encode()


@dataclass
class ChatServer:
    """What was asked, and the replies that come before it answers as it should."""

    url: str = ""
    replies: list[Reply] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)  # of the first answers, in seconds
    messages: list[str] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> Reply:
        message = body["messages"][-1]["content"]
        with self.lock:
            self.requests.append({"path": path, "headers": headers, "body": body})
            reply = self.replies.pop(0) if self.replies else None
            delay = self.delays.pop(0) if self.delays else 0.0
            if reply is None:
                self.messages.append(message)
        time.sleep(delay)
        if reply is not None:
            return reply
        asked = re.search(r"Write (\d+) new prompts", message)
        texts = write_prompts(message, int(asked[1]) if asked else 3)
        listed = "\n".join(f"{number}. {text}" for number, text in enumerate(texts, start=1))
        return Reply(body=completion(f"Here you are:\n\n{listed}"))


@contextmanager
def chat_server() -> Iterator[ChatServer]:
    """A running server on a free port."""
    state = ChatServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = json.loads(self.rfile.read(length))
            reply = state.answer(self.path, dict(self.headers), body)
            self.send_response(reply.status)
            size = len(reply.body) if reply.promise is None else reply.promise
            for name, value in {"Content-Length": str(size), **reply.headers}.items():
                self.send_header(name, value)
            # a client that has given up closes the connection; another test may run by then
            with suppress(ConnectionError):
                self.end_headers()
                self.wfile.write(reply.body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
