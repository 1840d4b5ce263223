"""Named files, folders, patterns, archives and parquet files -> picture inputs, not yet opened."""

import glob
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from unprompt.index.archives.archive import ARCHIVES, archive_members, is_archive, read_archived
from unprompt.index.archives.tars import TarMember
from unprompt.index.base.errors import DamagedFileError, UnpromptError, UnreadableImageError
from unprompt.index.decode.budget import FILES
from unprompt.index.images.pictures import (
    DEFAULT_LIMITS,
    PICTURE_SUFFIXES,
    PictureLimits,
    open_picture,
)
from unprompt.index.metadata.picture_metadata import read_metadata
from unprompt.inversion.opening import OpenedPicture

PARQUET_SUFFIX = ".parquet"
LOOKED_FOR = "looked for " + " ".join(PICTURE_SUFFIXES)


@dataclass(frozen=True)
class PictureInput:
    """One picture, not yet opened. It can be pickled, because another process may open it."""

    name: str  # the path from the user; a member of an archive is ARCHIVE/MEMBER
    path: Path  # the file to open: the picture, or the archive or parquet file that holds it
    read: Callable[[], Path | bytes] = field(compare=False)  # raises UnreadableImageError
    limit: PictureLimits = DEFAULT_LIMITS
    size: int | None = None  # bytes of a picture in an archive; None: a file of its own
    holder: bool = False  # a folder or file of pictures that cannot be read, no picture itself

    def open(self, metadata: bool = True) -> OpenedPicture:
        """Decode the picture and its stored prompt; raises UnreadableImageError.

        It waits while other threads hold the bytes of large files.
        """
        with FILES.hold(self._bytes()):
            content = self.read()
            image = open_picture(content, self.name, self.limit)
            return OpenedPicture(image, read_metadata(content) if metadata else None)

    def _bytes(self) -> int:
        """What `open` reads into memory, at most; of a row in a table it is not known."""
        size = self.size
        if size is None:
            try:
                size = os.stat(self.path).st_size
            except OSError:  # `read` tells it
                size = 0
        return min(size, self.limit.max_bytes)

    @property
    def image_id(self) -> str:
        """The stem of the name, which the competition calls imgId; empty for a holder."""
        return "" if self.holder else Path(self.name).stem


def find_pictures(
    paths: Sequence[str], limit: PictureLimits = DEFAULT_LIMITS
) -> Iterator[PictureInput]:
    """Yield the pictures in files, folders, patterns, archives and parquet files, each file once.

    Folders are read recursively and in sorted order. Raises UnreadableImageError at once for a
    name that matches nothing. A file that exists but cannot be read yields an input whose `open`
    raises, so that a batch continues. Hidden files and linked folders are skipped unless named.
    """
    if not paths:
        raise UnreadableImageError(
            "no picture was named; name files, folders, patterns, tars, zips or parquet files"
        )
    sources = [source for path in paths for source in _expand(path)]
    return _stream(sources, limit)


def _expand(path: str) -> list[str]:
    """A path or pattern as existing paths; raises UnreadableImageError if there are none."""
    try:
        os.stat(path)
    except (OSError, ValueError) as error:
        if glob.has_magic(path) and not os.path.lexists(path):
            return _match(path)
        reason = getattr(error, "strerror", None) or error
        raise UnreadableImageError(
            f"cannot find {path!r} ({reason}); name a picture, a folder, a pattern, a tar, a "
            "zip or a parquet file"
        ) from error
    if os.path.isdir(path):
        _check_folder(path)
    return [path]


def _match(pattern: str) -> list[str]:
    found = [
        match
        for match in sorted(glob.iglob(pattern, recursive=True))
        if (_is_picture(match) or is_archive(match) or match.lower().endswith(PARQUET_SUFFIX))
        and not os.path.isdir(match)
    ]
    if not found:
        raise UnreadableImageError(
            f"no pictures match {pattern!r}; {LOOKED_FOR} {' '.join(ARCHIVES)} {PARQUET_SUFFIX}; "
            "to read a file with another suffix, name the file itself"
        )
    return found


def _check_folder(folder: str) -> None:
    if next(_walk(folder), None) is not None:
        return
    packed = sorted(name for name in os.listdir(folder) if is_archive(name))
    suffix = next((one for one in ARCHIVES if packed and packed[0].lower().endswith(one)), "")
    named = os.path.join(folder, f"*{suffix}")
    hint = f"; to read its {suffix[1:]}s, name them: {named}" if packed else ""
    raise UnreadableImageError(f"no pictures in {folder}; {LOOKED_FOR}{hint}")


def _stream(sources: Sequence[str], limit: PictureLimits) -> Iterator[PictureInput]:
    # One source alone never yields a path twice, so a folder of millions needs no set of paths.
    seen: set[str] | None = set() if len(sources) > 1 else None
    for source in sources:
        found = _walk(source) if os.path.isdir(source) else iter([(source, None)])
        for path, fault in found:
            if seen is not None:
                absolute = os.path.abspath(path)
                if absolute in seen:
                    continue
                seen.add(absolute)
            if fault is not None:
                yield _unreadable(path, fault)
            elif is_archive(path):
                yield from _go_on(path, _read_archive(path, limit))
            elif path.lower().endswith(PARQUET_SUFFIX):
                yield from _go_on(path, _read_parquet(path, limit))
            else:
                yield PictureInput(path, Path(path), partial(Path, path), limit)


def _walk(folder: str) -> Iterator[tuple[str, str | None]]:
    """(path, None) per picture below, sorted; then (path, fault) per folder without access."""
    errors: list[OSError] = []
    for here, folders, files in os.walk(folder, onerror=errors.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if _is_picture(name):
                yield os.path.join(here, name), None
    for error in errors:
        yield str(error.filename), f"the folder cannot be read ({error.strerror or error})"


def _go_on(path: str, found: Iterator[PictureInput]) -> Iterator[PictureInput]:
    """The pictures of an archive; its damage becomes one more input, whose `open` raises it."""
    count = 0
    try:
        for picture in found:
            count += 1
            yield picture
    except Exception as error:  # an archive must not end the batch, whatever it holds
        named = isinstance(error, UnpromptError)
        fault = str(error) if named else f"{type(error).__name__}: {error}"
        yield _unreadable(path, f"{fault}; {count} pictures of it could be used")


def _read_archive(path: str, limit: PictureLimits) -> Iterator[PictureInput]:
    count = 0
    for member in archive_members(Path(path)):
        if _is_picture(member.name):
            count += 1
            name = f"{path}/{member.name}"
            read = partial(_read_member, path, member, limit)
            yield PictureInput(name, Path(path), read, limit, member.size)
    if count == 0:
        raise UnreadableImageError(f"no pictures in the archive; {LOOKED_FOR}")


def _read_parquet(path: str, limit: PictureLimits) -> Iterator[PictureInput]:
    from unprompt.index.images.parquet_pictures import parquet_pictures, read_row

    count = 0
    for name, row in parquet_pictures(path):
        count += 1
        yield PictureInput(name, Path(path), partial(read_row, path, row, name, limit), limit, 0)
    if count == 0:
        raise UnreadableImageError("it has no rows")


def _read_member(path: str, member: TarMember, limit: PictureLimits) -> bytes:
    name = f"{path}/{member.name}"
    if member.size > limit.max_bytes:
        raise UnreadableImageError(
            f"cannot read the picture {name}: it is larger than {limit.max_bytes / 2**20:g} MiB"
        )
    try:
        return read_archived(Path(path), member)
    except DamagedFileError as error:
        raise UnreadableImageError(f"cannot read the picture {name}: {error}") from error


def _unreadable(path: str, fault: str) -> PictureInput:
    refuse = partial(_refuse, f"cannot read {path}: {fault}")
    return PictureInput(path, Path(path), refuse, size=0, holder=True)


def _refuse(message: str) -> bytes:
    raise UnreadableImageError(message)


def _is_picture(name: str) -> bool:
    """Decide by suffix; hidden files, such as the ._x.png of macOS, are not pictures."""
    base = os.path.basename(name)
    return not base.startswith(".") and base.lower().endswith(PICTURE_SUFFIXES)
