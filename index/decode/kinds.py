"""The first bytes of a file -> what kind of file it is, whatever its name says.

Pictures that can be read name the one format of Pillow that reads them. For every other kind the
answer is its real name and what to do.
"""

import re
from typing import NamedTuple

HEAD = 4096  # bytes that are looked at
HEIF, JXL = "HEIF", "JXL"  # formats of Pillow that extras bring


class FileKind(NamedTuple):
    """A kind of file."""

    name: str  # as people call it, such as "HEIC picture"
    format: str | None = None  # of Pillow, where it can be read
    remedy: str = "convert it to PNG or JPEG"


_PNG, _JPEG = FileKind("PNG picture", "PNG"), FileKind("JPEG picture", "JPEG")
_TIFF, _JP2 = FileKind("TIFF picture", "TIFF"), FileKind("JPEG 2000 picture", "JPEG2000")
_JXL = FileKind("JPEG XL picture", JXL, "install unprompt[jxl]")
_VIDEO, _UNPACK = "save one of its frames as PNG", "unpack it and name its pictures"
_DOCUMENT = "save its pages as PNG"
_SOUND, _RAW = "it holds no picture", "develop it to JPEG or PNG"

# (offset, first bytes, kind). The first that fits wins.
_MARKS: tuple[tuple[int, bytes, FileKind], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", _PNG),
    (0, b"\xff\xd8\xff\xf7", FileKind("JPEG-LS picture")),
    (0, b"\xff\xd8\xff", _JPEG),
    (0, b"GIF87a", FileKind("GIF picture", "GIF")),
    (0, b"GIF89a", FileKind("GIF picture", "GIF")),
    (8, b"CR\x02\x00", FileKind("Canon CR2 raw picture", None, _RAW)),
    (0, b"II*\x00", _TIFF),
    (0, b"MM\x00*", _TIFF),
    (0, b"II+\x00", _TIFF),
    (0, b"MM\x00+", _TIFF),
    (0, b"II\xbc\x01", FileKind("JPEG XR picture")),
    (0, b"\x00\x00\x00\x0cjP  \r\n\x87\n", _JP2),
    (0, b"\xff\x4f\xff\x51", _JP2),
    (0, b"\xff\x0a", _JXL),
    (0, b"\x00\x00\x00\x0cJXL \r\n\x87\n", _JXL),
    (0, b"8BPS", FileKind("Photoshop PSD or PSB file")),
    (0, b"%PDF-", FileKind("PDF document", None, _DOCUMENT)),
    (0, b"%!PS", FileKind("PostScript or EPS file", None, _DOCUMENT)),
    (0, b"\xc5\xd0\xd3\xc6", FileKind("EPS file", None, _DOCUMENT)),
    (0, b"\x00\x00\x01\x00", FileKind("ICO icon")),
    (0, b"\x00\x00\x02\x00", FileKind("CUR cursor, or a TGA picture")),
    (0, b"icns", FileKind("ICNS icon")),
    (0, b"gimp xcf", FileKind("GIMP XCF file")),
    (0, b"v/1\x01", FileKind("OpenEXR picture")),
    (0, b"#?RADIANCE", FileKind("Radiance HDR picture")),
    (0, b"#?RGBE", FileKind("Radiance HDR picture")),
    (0, b"DDS ", FileKind("DDS texture")),
    (0, b"\xabKTX ", FileKind("KTX texture")),
    (0, b"qoif", FileKind("QOI picture")),
    (0, b"BPG\xfb", FileKind("BPG picture")),
    (0, b"FLIF", FileKind("FLIF picture")),
    (0, b"\x8aMNG", FileKind("MNG animation")),
    (0, b"\x8bJNG", FileKind("JNG picture")),
    (0, b"FUJIFILMCCD-RAW", FileKind("Fujifilm RAF raw picture", None, _RAW)),
    (0, b"IIRO", FileKind("Olympus ORF raw picture", None, _RAW)),
    (0, b"IIU\x00", FileKind("Panasonic RW2 raw picture", None, _RAW)),
    (0, b"FOVb", FileKind("Sigma X3F raw picture", None, _RAW)),
    (128, b"DICM", FileKind("DICOM picture")),
    (0, b"SIMPLE  =", FileKind("FITS picture")),
    (0, b"\xd7\xcd\xc6\x9a", FileKind("WMF drawing")),
    (40, b" EMF", FileKind("EMF drawing")),
    (0, b"AT&TFORM", FileKind("DjVu document", None, _DOCUMENT)),
    (0, b"\x1aE\xdf\xa3", FileKind("WebM or Matroska video", None, _VIDEO)),
    (0, b"FLV\x01", FileKind("FLV video", None, _VIDEO)),
    (0, b"\x00\x00\x01\xba", FileKind("MPEG video", None, _VIDEO)),
    (0, b"\x00\x00\x01\xb3", FileKind("MPEG video", None, _VIDEO)),
    (0, b"0&\xb2u\x8ef\xcf\x11", FileKind("WMV video", None, _VIDEO)),
    (0, b"OggS", FileKind("Ogg sound or video", None, _SOUND)),
    (0, b"ID3", FileKind("MP3 sound", None, _SOUND)),
    (0, b"fLaC", FileKind("FLAC sound", None, _SOUND)),
    (257, b"ustar", FileKind("tar archive", None, "give it the suffix .tar, or unpack it")),
    (0, b"PK\x03\x04", FileKind("ZIP archive or office document", None, _UNPACK)),
    (0, b"PK\x05\x06", FileKind("empty ZIP archive", None, _UNPACK)),
    (0, b"\x1f\x8b", FileKind("gzip archive", None, _UNPACK)),
    (0, b"BZh", FileKind("bzip2 archive", None, _UNPACK)),
    (0, b"\xfd7zXZ\x00", FileKind("xz archive", None, _UNPACK)),
    (0, b"(\xb5/\xfd", FileKind("Zstandard archive", None, _UNPACK)),
    (0, b"7z\xbc\xaf\x27\x1c", FileKind("7z archive", None, _UNPACK)),
    (0, b"Rar!\x1a\x07", FileKind("RAR archive", None, _UNPACK)),
    (0, b"PAR1", FileKind("parquet file", None, "give it the suffix .parquet")),
    (0, b"\x93NUMPY", FileKind("numpy array", None, "save it as PNG")),
    (0, b"\x89HDF\r\n", FileKind("HDF5 file", None, "save its pictures as PNG")),
    (0, b"SQLite format 3", FileKind("SQLite database", None, _SOUND)),
    (0, b"\x7fELF", FileKind("program", None, _SOUND)),
    (0, b"MZ", FileKind("Windows program", None, _SOUND)),
    (0, b"\xd0\xcf\x11\xe0", FileKind("old office document", None, _DOCUMENT)),
    (0, b"{\\rtf", FileKind("RTF document", None, _DOCUMENT)),
    (0, b"version https://git-lfs", FileKind("Git LFS pointer", None, "run git lfs pull")),
)
_RIFF = {
    b"WEBP": FileKind("WebP picture", "WEBP"),
    b"AVI ": FileKind("AVI video", None, _VIDEO),
    b"WAVE": FileKind("WAV sound", None, _SOUND),
}
_HEIC = FileKind("HEIC picture", HEIF, "install unprompt[heif]")
_AVIF, _MOVIE = FileKind("AVIF picture", "AVIF"), FileKind("MP4 or MOV video", None, _VIDEO)
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_AVIF_BRANDS, _STILL_BRANDS = {b"avif", b"avis"}, {b"mif1", b"mif2", b"msf1", b"miaf"}
_NETPBM = re.compile(rb"P[0-6fy](?=[\s#])")
_BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}  # bytes
_XML = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:[?!a-zA-Z])")
_PRINTABLE = re.compile(rb"[\x20-\x7e]+")
_TEXT = re.compile(rb"[\t\n\r\x20-\x7e\x80-\xff]+")


def find_kind(content: bytes) -> FileKind:
    """The kind of a file with this content; any bytes have one."""
    head = content[:HEAD]
    for offset, mark, kind in _MARKS:
        if head.startswith(mark, offset):
            return kind
    if head.startswith((b"RIFF", b"RIFX")):
        return _RIFF.get(head[8:12], FileKind("RIFF file", None, _SOUND))
    if head[4:8] == b"ftyp":
        return _of_brands(head)
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return FileKind("BMP picture", "BMP")
    if _NETPBM.match(head):
        return FileKind("PPM picture", "PPM")
    if content[-18:].startswith(b"TRUEVISION-XFILE"):
        return FileKind("TGA picture")
    return _of_text(head)


def _of_brands(head: bytes) -> FileKind:
    """HEIC, AVIF or a video: files of ISO boxes say it by their brands."""
    box = head[8 : min(int.from_bytes(head[:4], "big"), 512)]
    brands = [box[:4], *(box[place : place + 4] for place in range(8, len(box) - 3, 4))]
    if brands[0] in _HEIC_BRANDS:
        return _HEIC
    if brands[0] in _AVIF_BRANDS or not _AVIF_BRANDS.isdisjoint(brands):
        return _AVIF
    if not (_HEIC_BRANDS | _STILL_BRANDS).isdisjoint(brands):
        return _HEIC
    if brands[0] == b"crx ":
        return FileKind("Canon CR3 raw picture", None, _RAW)
    return _MOVIE


def _of_text(head: bytes) -> FileKind:
    if not head.strip(b"\0"):
        name = "file of zero bytes" if head else "empty file"
        return FileKind(name, None, "fetch it again")
    lowered = head.lower()
    if _XML.match(head):
        if b"<svg" in lowered:
            return FileKind("SVG drawing")
        page = b"<html" in lowered or b"<!doctype html" in lowered
        return FileKind("HTML page" if page else "XML file", None, "fetch the picture itself")
    if (
        _TEXT.fullmatch(head)
        and b"\n" in head
        or head.isascii()
        and head.decode("ascii").isprintable()
    ):
        name = "JSON file" if head.lstrip()[:1] in (b"{", b"[") else "text file"
        return FileKind(name, None, _SOUND)
    if head[1:3] in (b"\x00\x02", b"\x01\x01", b"\x00\x0a", b"\x00\x03"):
        return FileKind("file of an unknown kind, perhaps a TGA picture")
    return FileKind("file of an unknown kind", None, "name a picture")
