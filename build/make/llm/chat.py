"""A message -> the answer of an OpenAI-compatible chat endpoint, through the openai client.

The client retries busy endpoints. It doubles the wait each time, or waits as Retry-After says.
"""

import json
import logging
import threading
from collections.abc import Callable
from dataclasses import field
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from pydantic.dataclasses import dataclass

from unprompt.build.make.llm.answers import read_completion
from unprompt.index.base.errors import ConfigError, EndpointError, MissingDependencyError
from unprompt.index.base.settings import STRICT

PATH = "/chat/completions"
BUSY = frozenset((408, 409, 429))  # the client retries these and every 5xx
REMEDIES = {
    401: "the key is missing or wrong; name its environment variable with --key-env",
    403: "the key may not use this model",
    404: "check --url (it usually ends in /v1) and --model",
}
RERUN = "the answers so far are kept, run the same command again to go on"
# Headers that the client adds: the machine it runs on, and an account from the environment.
UNSENT_HEADERS = ("x-stainless-", "openai-organization", "openai-project")
RAW_RESPONSE = "x-stainless-raw-response"  # tells the client what to return
RETRY_COUNT = "x-stainless-retry-count"


class MalformedAnswer(EndpointError):
    """A response that is not a chat completion with text."""


@dataclass(frozen=True, config=STRICT)
class Endpoint:
    """A language-model endpoint, and how long to wait for it. `repr` leaves out the key."""

    url: str  # the base, such as http://127.0.0.1:8000/v1
    model: str
    key: str | None = field(default=None, repr=False)
    temperature: float | None = None  # None: the server's default
    timeout_seconds: float = 180.0
    retries: int = 5

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
        if self.timeout_seconds <= 0 or self.retries < 0:
            raise ConfigError(
                f"--timeout must be over 0 and --retries not negative, got {self.timeout_seconds} "
                f"and {self.retries}"
            )

    @property
    def base(self) -> str:
        """The URL without the path of chat completions."""
        return self.url.rstrip("/").removesuffix(PATH)


class Answer(NamedTuple):
    """The text of a completion, why it ended, and what it took."""

    text: str
    finish: str | None  # "length" if the token limit cut the text short
    usage: dict[str, Any]
    attempts: int


class ChatClient:
    """Sends messages to one endpoint; safe to call from several threads."""

    def __init__(self, endpoint: Endpoint, note: Callable[[str], None] = lambda _: None):
        """`note` gets a message per retry. Raises MissingDependencyError without openai."""
        openai = _load_openai()
        self.endpoint = endpoint
        self._stopped = threading.Event()
        self._client = openai.OpenAI(
            api_key=endpoint.key or "none",
            base_url=endpoint.base,
            timeout=endpoint.timeout_seconds,
            max_retries=endpoint.retries,
            default_headers={"User-Agent": "unprompt"},
            # A redirect would carry the key to another host.
            http_client=openai.DefaultHttpxClient(
                follow_redirects=False, event_hooks={"request": [self._before_request]}
            ),
        )
        self._unsent = UNSENT_HEADERS + (() if endpoint.key else ("authorization",))
        self._options: dict[str, Any] = {"model": endpoint.model}
        if endpoint.temperature is not None:
            self._options["temperature"] = endpoint.temperature
        logger = logging.getLogger("openai._base_client")
        logger.handlers = [_RetryNotes(lambda message: note(f"{endpoint.base}: {message}"))]
        logger.setLevel(logging.INFO)

    def stop(self) -> None:
        """Make no retry. The first attempt of a call that was begun still gets its answer."""
        self._stopped.set()

    def ask(self, message: str) -> Answer:
        """The answer to one message.

        Raises MalformedAnswer for a response that is not a completion, and EndpointError if the
        endpoint refuses the request, or is busy through all retries.
        """
        openai, address = _load_openai(), self.endpoint.base + PATH
        try:
            response = self._client.chat.completions.with_raw_response.create(
                messages=[{"role": "user", "content": message}], **self._options
            )
            return Answer(*read_completion(json.loads(response.text)), response.retries_taken + 1)
        except openai.APIStatusError as error:
            raise EndpointError(f"{address}: {self._explain(error.response)}") from error
        except openai.APIConnectionError as error:
            raise EndpointError(
                f"{address}: no answer ({error.__cause__ or error}) after "
                f"{self.endpoint.retries + 1} attempts; {RERUN}"
            ) from error
        except (ValueError, RecursionError) as error:
            raise MalformedAnswer(f"{address} sent no chat completion: {error}") from error

    def _explain(self, response: Any) -> str:
        """The response to a refused request, without the key, and what to do about it."""
        said = " ".join(response.text.replace(self.endpoint.key or "\0", "***").split())[:300]
        reason = f"HTTP {response.status_code} {said or response.reason_phrase}"
        if response.status_code not in BUSY and response.status_code < 500:
            mend = REMEDIES.get(response.status_code, "the endpoint does not take this request")
            return f"{reason}; {mend}"
        after = response.headers.get("retry-after")
        asked = f", Retry-After: {after}" if after else ""
        return f"{reason}{asked}; still busy with --retries {self.endpoint.retries}; {RERUN}"

    def _before_request(self, request: Any) -> None:
        if self._stopped.is_set() and request.headers.get(RETRY_COUNT, "0") != "0":
            raise EndpointError("stopped before the next attempt")
        for name in list(request.headers):
            if name.startswith(self._unsent) and name != RAW_RESPONSE:
                del request.headers[name]


class _RetryNotes(logging.Handler):
    """Passes on the log messages of the client: "Retrying request in 0.4 seconds ..."."""

    def __init__(self, note: Callable[[str], None]):
        super().__init__(logging.INFO)
        self._note = note

    def emit(self, record: logging.LogRecord) -> None:
        self._note(record.getMessage())


def _load_openai() -> Any:
    try:
        import openai
    except ImportError as error:
        raise MissingDependencyError(
            "asking a language model needs openai and it is not installed; install it with: "
            "pip install 'unprompt[llm]'"
        ) from error
    return openai
