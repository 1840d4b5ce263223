"""Why a file gives no picture; `open_picture` says it with the name of the file."""

from unprompt.index.decode.kinds import FileKind


class FaultyPictureError(ValueError):
    """A picture that declares more than may be decoded, or cannot be right."""


class UnsupportedKindError(FaultyPictureError):
    """A file of a kind that is not read here."""

    def __init__(self, kind: FileKind, head: bytes):
        start = f" (it starts with {head!r})" if "unknown kind" in kind.name else ""
        super().__init__(f"{kind.name}{start}: {kind.remedy}")
