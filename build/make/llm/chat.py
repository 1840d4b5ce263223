"""A message -> the answer of an OpenAI-compatible chat endpoint, with back-off where it is busy."""

import http.client
import json
import random
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from pydantic.dataclasses import dataclass

from unprompt.build.make.llm.answers import read_completion
from unprompt.index.base.errors import ConfigError, EndpointError
from unprompt.index.base.settings import STRICT

PATH = "/chat/completions"
BUSY = frozenset((408, 409, 425, 429, 500, 502, 503, 504, 529))  # worth another try
LONGEST_WAIT_SECONDS = 120.0
LARGEST_BODY_BYTES = 16 * 2**20


class MalformedAnswer(EndpointError):
    """An answer that came, but is no chat completion with text."""


@dataclass(frozen=True, config=STRICT)
class Endpoint:
    """Where to ask, and how patiently. The key is shown nowhere."""

    url: str  # the base, such as http://127.0.0.1:8000/v1
    model: str
    key: str | None = field(default=None, repr=False)
    temperature: float | None = None  # none leaves it to the server
    timeout_seconds: float = 180.0
    retries: int = 5
    backoff_seconds: float = 2.0  # before the first retry, doubled each time

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"--url must look like http://HOST:PORT/v1, got {self.url!r}")
        if parts.username or parts.password:
            raise ConfigError("--url must not hold a password; the key comes from the environment")
        if self.key is not None and not (self.key.isascii() and self.key.isprintable()):
            raise ConfigError("the key has characters that a key cannot have; set it again")
        if not self.model.strip():
            raise ConfigError("--model must name a model")
        if self.timeout_seconds <= 0 or self.retries < 0 or self.backoff_seconds < 0:
            raise ConfigError("timeout_seconds must be over 0, retries and back-off not negative")

    @property
    def address(self) -> str:
        """Where a call goes."""
        base = self.url.rstrip("/")
        return base if base.endswith(PATH) else base + PATH


class Answer(NamedTuple):
    """What came back."""

    text: str
    finish: str | None  # "length" where the model was cut short
    usage: dict[str, Any]
    attempts: int


class _Busy(Exception):
    """Worth another try, after so many seconds if the server said how many."""

    def __init__(self, reason: str, wait_seconds: float | None = None):
        super().__init__(reason)
        self.wait_seconds = wait_seconds


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key to another host."""

    def redirect_request(self, *_: Any) -> None:
        return None


class ChatClient:
    """Asks one endpoint; safe to call from several threads."""

    def __init__(self, endpoint: Endpoint, note: Callable[[str], None] = lambda _: None):
        self.endpoint = endpoint
        self._note = note
        self._opener = urllib.request.build_opener(_NoRedirect)
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Let calls that wait for another try give up."""
        self._stopped.set()

    def ask(self, message: str) -> Answer:
        """The answer to one message.

        Raises MalformedAnswer for one that is no completion, EndpointError where the endpoint
        refuses or stays busy through all retries.
        """
        attempts = 0
        while True:
            attempts += 1
            try:
                return Answer(*self._call(message), attempts)
            except _Busy as busy:
                self._wait(attempts, busy)

    def _wait(self, attempts: int, busy: _Busy) -> None:
        backoff = self.endpoint.backoff_seconds * 2 ** (attempts - 1) * random.uniform(0.5, 1.0)
        seconds = max(min(backoff, LONGEST_WAIT_SECONDS), busy.wait_seconds or 0.0)
        if attempts > self.endpoint.retries or seconds > LONGEST_WAIT_SECONDS:
            asked = f"; it asks to wait {seconds:.0f} s" if busy.wait_seconds else ""
            raise EndpointError(
                f"{self.endpoint.address}: {busy} after {attempts} attempts{asked}; the answers "
                "so far are kept, run the same command again to go on"
            )
        self._note(f"{self.endpoint.address}: {busy}; trying again in {seconds:.1f} s")
        if self._stopped.wait(seconds):
            raise EndpointError("stopped while it waited for another try")

    def _call(self, message: str) -> tuple[str, str | None, dict[str, Any]]:
        try:
            with self._opener.open(
                self._request(message), timeout=self.endpoint.timeout_seconds
            ) as response:
                content = response.read(LARGEST_BODY_BYTES)
                left_bytes = response.length
        except urllib.error.HTTPError as error:
            raise self._refusal(error) from error
        except (urllib.error.URLError, OSError, http.client.HTTPException) as error:
            raise _Busy(f"no answer ({getattr(error, 'reason', None) or error!r})") from error
        if left_bytes and len(content) < LARGEST_BODY_BYTES:
            raise _Busy(f"the answer was cut short, {left_bytes} bytes are missing")
        try:
            return read_completion(json.loads(content))
        except (ValueError, RecursionError) as error:
            raise MalformedAnswer(f"{self.endpoint.address} answered oddly: {error}") from error

    def _request(self, message: str) -> urllib.request.Request:
        body: dict[str, Any] = {
            "model": self.endpoint.model,
            "messages": [{"role": "user", "content": message}],
        }
        if self.endpoint.temperature is not None:
            body["temperature"] = self.endpoint.temperature
        headers = {"Content-Type": "application/json", "User-Agent": "unprompt"}
        if self.endpoint.key:
            headers["Authorization"] = f"Bearer {self.endpoint.key}"
        return urllib.request.Request(
            self.endpoint.address, json.dumps(body).encode(), headers, method="POST"
        )

    def _refusal(self, error: urllib.error.HTTPError) -> Exception:
        try:
            said = error.read(2000).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException):
            said = ""
        said = " ".join(said.replace(self.endpoint.key or "\0", "***").split())[:300]
        reason = f"HTTP {error.code} {said or error.reason}"
        if error.code in BUSY:
            return _Busy(reason, _seconds_to_wait(error.headers.get("Retry-After")))
        remedy = {
            401: "the key is missing or wrong; name its environment variable with --key-env",
            403: "the key may not use this model",
            404: "look at --url (it usually ends in /v1) and --model",
        }.get(error.code, "the endpoint does not take this request")
        return EndpointError(f"{self.endpoint.address}: {reason}; {remedy}")


def _seconds_to_wait(header: str | None) -> float | None:
    """Retry-After in seconds, given as a number or as a date."""
    if not header:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max((moment - datetime.now(UTC)).total_seconds(), 0.0)
