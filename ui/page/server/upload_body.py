"""The body of an upload, chunk by chunk -> checked while Gradio reads it.

Gradio writes files to disk whatever the name of their part, keeps every other part in memory, and
takes 1,000 files.
"""

from typing import Any

from unprompt.ui.page.server.limits import MAX_FILES, MIB, Limits
from unprompt.ui.page.server.refusal import Refusal

MAX_NAME = 200  # bytes; a folder of Linux takes 255


class UploadBody:
    """Counts the files of a multipart body and the bytes of each; it may hold nothing else."""

    def __init__(self, content_type: str, limits: Limits) -> None:
        """Raises Refusal for a body that is not multipart/form-data."""
        from python_multipart.multipart import MultipartParser, parse_options_header

        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not 0 < len(boundary) <= 200:
            raise Refusal(400, "an upload must be multipart/form-data with a part `files`")
        self._limits = limits
        self._files = self._file_bytes = 0
        self._name, self._value = b"", b""
        self._headers: list[tuple[bytes, bytes]] = []
        callbacks = {
            "on_part_begin": self._begin,
            "on_header_field": self._add_to_name,
            "on_header_value": self._add_to_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._count,
        }
        self._parser: Any = MultipartParser(boundary, callbacks)  # type: ignore[arg-type]

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes; raises Refusal for a part that is too large, or one too many."""
        from python_multipart.exceptions import FormParserError

        try:
            self._parser.write(chunk)
        except FormParserError:
            raise Refusal(400, "the upload is not valid multipart/form-data") from None

    def _begin(self) -> None:
        self._headers = []

    def _add_to_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _add_to_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._headers.append((self._name, self._value))
        self._name, self._value = b"", b""

    def _end_headers(self) -> None:
        from python_multipart.multipart import parse_options_header

        values = [value for name, value in self._headers if name.lower() == b"content-disposition"]
        _, options = parse_options_header(values[0] if len(values) == 1 else b"")
        if options.get(b"name") != b"files" or b"filename" not in options:
            raise Refusal(400, "an upload holds files alone, in parts with the name `files`")
        if len(options[b"filename"]) > MAX_NAME:
            raise Refusal(400, f"the name of a file has at most {MAX_NAME} bytes")
        self._file_bytes = 0
        self._files += 1
        if self._files > MAX_FILES:
            raise Refusal(413, f"the page takes at most {MAX_FILES} files at once")

    def _count(self, data: bytes, start: int, end: int) -> None:
        self._file_bytes += end - start
        if self._file_bytes > self._limits.file_bytes:
            raise Refusal(
                413,
                f"a picture of the page has at most {self._limits.file_bytes // MIB} MB; for "
                "larger ones run `unprompt invert FILE`",
            )
