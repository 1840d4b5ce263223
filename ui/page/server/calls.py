"""The path and the JSON of a request -> allowed, or a Refusal: only what the page itself uses.

Gradio offers more: calls past the queue, a proxy, downloads of URLs, an editor. It takes a file by
its path or URL in any argument, and keeps arguments of any size.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unprompt.ui.page.server.limits import MAX_FILES
from unprompt.ui.page.server.refusal import Refusal, Scope

API = "/gradio_api"
UPLOAD, JOIN = f"{API}/upload", f"{API}/queue/join"
LOGIN, LOGOUT = "/login", "/logout"
CALL = re.compile(rf"{API}/call/(invert|search)/?")
ASSETS = r"/(?:assets|static|svelte)/[\w./-]+"
READ = re.compile(
    rf"/|/config/?|/theme\.css|/favicon\.ico|/robots\.txt|/manifest\.json|/logout|{ASSETS}|"
    rf"{API}/(?:theme\.css|info/?|user/?|login_check/?|app_id/?|startup-events|queue/data|"
    rf"queue/status|upload_progress|heartbeat/[\w-]{{1,64}}|"
    rf"call/(?:invert|search)/[\w-]{{1,64}})"
)
FILE = re.compile(rf"{API}/file=(.+)", re.DOTALL)
WRITE = re.compile(rf"{UPLOAD}|{JOIN}|{API}/cancel|{API}/reset/?|{LOGIN}/?|{CALL.pattern}")
MAX_QUERY, MAX_PATH = 1024, 1024  # characters
MAX_DEPTH = 20  # of objects and lists within each other
NAME = re.compile(r"[\w-]{1,64}")
QUERY_NAMES = re.compile(r"(?:^|[&;])(?:session_hash|upload_id)=(?![\w-]{1,64}(?:[&;]|$))")


def check_path(scope: Scope, uploads: Path) -> None:
    """Raise Refusal for a path or method that the page does not use, or for a foreign file."""
    method, path = scope["method"], scope["path"]
    if len(path) > MAX_PATH or len(scope.get("query_string", b"")) > MAX_QUERY:
        raise Refusal(414, "the address is too long")
    known = WRITE if method == "POST" else READ
    if method not in ("GET", "HEAD", "POST"):
        raise Refusal(405, f"this server answers GET, HEAD and POST, got {method[:20]}")
    if found := FILE.fullmatch(path):
        if method == "POST" or not is_below(found[1], uploads):
            raise Refusal(403, "this file is not one of the page")
    elif not known.fullmatch(path):
        raise Refusal(404, "the page has no such address; the API is `/invert` and `/search`")
    if QUERY_NAMES.search(scope.get("query_string", b"").decode("latin-1")):
        raise Refusal(400, "session_hash and upload_id are names of at most 64 letters and digits")


def is_below(path: object, folder: Path) -> bool:
    """Whether a value is the absolute path of a place below a folder, links followed."""
    if not isinstance(path, str) or len(path) > MAX_PATH or not path.startswith("/"):
        return False
    try:
        return Path(path).resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError):
        return False


def is_call(path: str) -> bool:
    """Whether a POST to a path puts an event into the queue."""
    return path == JOIN or CALL.fullmatch(path) is not None


def check_json(body: bytes, uploads: Path) -> dict[str, Any]:
    """The object in a body; raises Refusal for other JSON, or a file that was not uploaded."""
    try:
        parsed = json.loads(body, parse_constant=_refuse_constant)
        json.dumps(parsed, ensure_ascii=False).encode()
    except (ValueError, RecursionError):  # also lone surrogates, numbers of thousands of digits
        raise Refusal(400, "the body must be valid JSON in valid Unicode") from None
    if not isinstance(parsed, dict):
        raise Refusal(400, "the body must be a JSON object")
    session = parsed.get("session_hash")
    if session is not None and not (isinstance(session, str) and NAME.fullmatch(session)):
        raise Refusal(400, "session_hash must be a name of at most 64 letters and digits")
    for count, file in enumerate(_files(parsed), 1):
        if count > MAX_FILES:
            raise Refusal(413, f"the page takes at most {MAX_FILES} files at once")
        _check_file(file, uploads)
    return parsed


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _files(value: Any) -> Iterator[dict[str, Any]]:
    """Every object that names a file, at any depth."""
    level = [value]
    for _ in range(MAX_DEPTH):
        inner: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                if {"path", "url"} & set(one):
                    yield one
                inner.extend(one.values())
            elif isinstance(one, list):
                inner.extend(one)
        level = inner
    if level:
        raise Refusal(400, f"the body holds more than {MAX_DEPTH} levels of objects and lists")


def _check_file(file: dict[str, Any], uploads: Path) -> None:
    path, url = file.get("path"), file.get("url")
    if isinstance(path, str) and re.match(r"[a-z][a-z0-9+.-]*:", path.strip(), re.IGNORECASE):
        raise Refusal(400, "the page fetches no URL; download the picture and upload the file")
    if path is not None and not is_below(path, uploads):
        raise Refusal(
            400,
            "a picture must be uploaded first: pass `handle_file(PATH)` from gradio_client, or a "
            f"path that {UPLOAD} returned",
        )
    if url is not None and not (isinstance(url, str) and _is_own_url(url, path)):
        raise Refusal(400, "the page fetches no URL; upload the file and leave `url` out")


def _is_own_url(url: str, path: object) -> bool:
    """Whether a URL is how Gradio writes the path of the same file; nothing fetches it."""
    return isinstance(path, str) and f"{API}/file=" in url and len(url) <= 4 * MAX_PATH
