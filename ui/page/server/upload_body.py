"""The body of an upload, chunk by chunk -> checked while Gradio reads it.

Gradio writes the files of a multipart body to disk, but keeps every other part in memory, and takes
1,000 files.
"""

from typing import Any

from unprompt.ui.page.server.limits import MAX_FILES, MIB, Limits
from unprompt.ui.page.server.refusal import Refusal


class UploadBody:
    """Counts the files of a multipart body, the bytes of each, and those of all other parts."""

    def __init__(self, content_type: str, limits: Limits) -> None:
        """Raises Refusal for a body that is not multipart/form-data."""
        from python_multipart.multipart import MultipartParser, parse_options_header

        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not 0 < len(boundary) <= 200:
            raise Refusal(400, "an upload must be multipart/form-data with a part `files`")
        self._limits = limits
        self._files = self._file_bytes = self._other_bytes = 0
        self._is_file = False
        self._header = b""
        self._headers: list[bytes] = []
        callbacks = {
            "on_part_begin": self._begin,
            "on_header_field": self._add_to_header,
            "on_header_value": self._add_to_header,
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
        self._header, self._headers = b"", []

    def _add_to_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _end_header(self) -> None:
        self._headers.append(self._header.lower())
        self._header = b""

    def _end_headers(self) -> None:
        disposition = next((one for one in self._headers if b"content-disposition" in one), b"")
        self._is_file = b"filename" in disposition
        self._file_bytes = 0
        self._files += self._is_file
        if self._files > MAX_FILES:
            raise Refusal(413, f"the page takes at most {MAX_FILES} files at once")

    def _count(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._file_bytes += end - start
            if self._file_bytes > self._limits.file_bytes:
                raise Refusal(
                    413,
                    f"a picture of the page has at most {self._limits.file_bytes // MIB} MB; for "
                    "larger ones run `unprompt invert FILE`",
                )
        else:
            self._other_bytes += end - start
            if self._other_bytes > self._limits.field_bytes:
                raise Refusal(413, "an upload holds files only")
