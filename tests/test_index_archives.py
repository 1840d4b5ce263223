"""Archives as found: packed tars, zips, links, damage, and the pictures and pairs in them."""

import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest
from found_shards import PROMPTS, jpeg, write_members

from unprompt.build.corpus.sources.collection import CollectionConfig
from unprompt.build.corpus.sources.kinds import find_kind
from unprompt.index.archives.archive import archive_members, archive_stem, read_archived
from unprompt.index.archives.packed_tars import LEAST
from unprompt.index.base.errors import DamagedFileError, UnreadableImageError
from unprompt.index.formats.tally import Tally
from unprompt.index.pairs.labelled_pairs import open_labelled_pairs, read_labelled_picture
from unprompt.inversion.batch.inputs import find_pictures

FILES = [
    ("./a/x.jpg", jpeg(1)),
    ("b.b/y.jpg", jpeg(2)),
    ("b.b/y.txt", b"a fox"),
    ("empty.png", b""),
]
PACKED = {"tar": "w", "tar.gz": "w:gz", "tgz": "w:gz", "TAR.BZ2": "w:bz2", "tar.xz": "w:xz"}


def archive(folder: Path, suffix: str, files: list[tuple[str, bytes]]) -> Path:
    path = folder / f"some.name.{suffix}"
    if suffix != "zip":
        return write_members(path, files, PACKED[suffix])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.mkdir("a")
        for name, content in files:
            packed.writestr(name, content)
    return path


@pytest.mark.parametrize("suffix", [*PACKED, "zip"])
def test_members_and_their_bytes(tmp_path: Path, suffix: str) -> None:
    path = archive(tmp_path, suffix, FILES)
    members = list(archive_members(path))
    assert [(one.name, one.size) for one in members] == [(n, len(c)) for n, c in FILES]
    assert [read_archived(path, one) for one in members] == [content for _, content in FILES]
    assert archive_stem(path) == "some.name"


@pytest.mark.parametrize("suffix", [*PACKED, "zip"])
def test_a_cut_archive_is_told(tmp_path: Path, suffix: str) -> None:
    path = archive(tmp_path, suffix, [(f"{n}.jpg", jpeg(n)) for n in range(6)])
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(DamagedFileError, match="some.name"):
        for member in archive_members(path):
            read_archived(path, member)
    *_, last = find_pictures([str(path)])
    with pytest.raises(UnreadableImageError, match="some.name"):
        last.open()


def test_a_packed_bomb_is_refused(tmp_path: Path) -> None:
    path = write_members(tmp_path / "a.tar.gz", [("x.bmp", bytes(LEAST + 2**20))], "w:gz")
    with pytest.raises(DamagedFileError, match="larger than 64 MiB when it is unpacked"):
        list(archive_members(path))


def test_links_are_the_files_that_they_name(tmp_path: Path) -> None:
    path = tmp_path / "links.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:

        def add(name: str, link: str = "", kind: bytes = tarfile.REGTYPE) -> None:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, link
            entry.size = 0 if link else len(jpeg(3))
            tar.addfile(entry, None if link else io.BytesIO(jpeg(3)))

        add("a/same.jpg")
        add("hard.jpg", "a/same.jpg", tarfile.LNKTYPE)
        add("b/soft.jpg", "../a/same.jpg", tarfile.SYMTYPE)
        add("twice.jpg", "hard.jpg", tarfile.LNKTYPE)
        add("out.jpg", "/etc/passwd", tarfile.SYMTYPE)
        add("loop.jpg", "loop.jpg", tarfile.SYMTYPE)
        add("C:\\win\\p.jpg")
    found = {one.name.removeprefix(f"{path}/"): one for one in find_pictures([str(path)])}
    assert list(found) == [
        *("a/same.jpg", "hard.jpg", "b/soft.jpg", "twice.jpg", "out.jpg", "loop.jpg"),
        "C:\\win\\p.jpg",
    ]
    for lost in ("out.jpg", "loop.jpg"):
        with pytest.raises(UnreadableImageError, match="is a link to .* which is not in the tar"):
            found.pop(lost).open()
    assert {one.open().image.size for one in found.values()} == {(32, 32)}


@pytest.mark.parametrize("suffix", ["tar", "tar.gz", "zip"])
def test_pairs_of_any_archive(tmp_path: Path, suffix: str) -> None:
    """Texts and json, a depth map, a hidden file, two pictures of a key, and one without text."""
    files = [
        ("0.depth.png", jpeg(8)), ("0.jpg", jpeg(0)), ("0.txt", PROMPTS[0].encode()),
        ("1.jpg", jpeg(1)), ("1.json", json.dumps({"meta": {"prompt": PROMPTS[1:3]}}).encode()),
        ("._1.jpg", b"x"), ("1.png", jpeg(9)), ("2.jpg", jpeg(2)),
        ("3.JPG", jpeg(3)), ("3.caption", PROMPTS[3].encode("utf-16")),
    ]  # fmt: skip
    path = archive(tmp_path, suffix, files)
    kind, config, tally = (
        find_kind("webdataset"),
        CollectionConfig("webdataset", str(tmp_path)),
        Tally(),
    )
    assert kind.units(config) == [path] and kind.pairs is not None
    (frame,) = kind.pairs.rows(path, config, tally)
    wanted = ["0.jpg", "1.jpg", "1.jpg", "3.JPG"]
    assert frame.select("picture", "prompt").rows() == list(zip(wanted, PROMPTS, strict=True))
    with kind.pairs.open(path, config) as fetch:
        assert [fetch(row) for row in frame.iter_rows(named=True)] == [
            jpeg(n) for n in (0, 1, 1, 3)
        ]
    assert tally.dropped == {"second picture of a sample": 2, "picture without a text": 1}
    labelled = open_labelled_pairs(tmp_path)
    assert labelled.whole["prompts"].to_list() == [[PROMPTS[0]], list(PROMPTS[1:3]), [PROMPTS[3]]]
    assert [read_labelled_picture(row) for row in labelled.whole.iter_rows(named=True)] == [
        jpeg(n) for n in (0, 1, 3)
    ]
    assert labelled.faulty["name"].to_list() == ["some.name/2"]


def test_an_encrypted_or_odd_entry_of_a_zip_fails_alone(tmp_path: Path) -> None:
    path = archive(tmp_path, "zip", FILES[:2])
    content = bytearray(path.read_bytes())
    central = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + 1)  # after a folder
    content[central + 8] |= 1  # the flag of encryption in the directory
    path.write_bytes(content)
    first, second = list(archive_members(path))
    with pytest.raises(DamagedFileError, match="x.jpg in .* is encrypted"):
        read_archived(path, first)
    assert read_archived(path, second) == jpeg(2)
