"""What a user names -> pictures, each once, in order; bad ones come out and raise when loaded."""

import io
import os
import tarfile
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from unprompt.index.base.errors import UnreadableImageError
from unprompt.index.images.pictures import PictureLimits
from unprompt.inversion.batch.inputs import find_pictures

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif")


def save(path: Path, size: int = 4) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (size, size), "red").save(path)
    return path


def write_tar(path: Path, names: list[str]) -> Path:
    """A tar whose first picture is 1 x 1, the second 2 x 2 and so on; a .txt holds text."""
    with tarfile.open(path, "w") as tar:
        for number, name in enumerate(names, start=1):
            buffer = io.BytesIO()
            Image.new("RGB", (number, number)).save(buffer, "PNG")
            content = b"a prompt" if name.endswith(".txt") else buffer.getvalue()
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


def names(*paths: Path | str) -> list[str]:
    return [found.name for found in find_pictures([str(path) for path in paths])]


def test_named_file(tmp_path: Path) -> None:
    path = save(tmp_path / "20057f34d.png")
    (found,) = find_pictures([str(path)])
    assert (found.name, found.image_id, found.path) == (str(path), "20057f34d", path)
    image = found.open().image
    assert (image.mode, image.size) == ("RGB", (4, 4))


def test_folder_is_recursive_sorted_and_knows_every_suffix(tmp_path: Path) -> None:
    wanted = [save(tmp_path / f"a{suffix}") for suffix in sorted(SUFFIXES)]
    wanted.append(save(tmp_path / "b.PNG"))
    wanted.append(save(tmp_path / "sub" / "deep" / "a.JpEg"))
    wanted.append(save(tmp_path / "sub2" / "a.png"))
    (tmp_path / "notes.txt").write_text("no picture")
    save(tmp_path / "._a.png")
    save(tmp_path / ".hidden" / "a.png")
    assert names(tmp_path) == [str(path) for path in wanted]
    assert all(found.open().image.size == (4, 4) for found in find_pictures([str(tmp_path)]))


def test_pattern_that_the_shell_left_alone(tmp_path: Path) -> None:
    wanted = [save(tmp_path / name) for name in ("a1.png", "a2.jpg", "sub/a3.png")]
    save(tmp_path / "b.png")
    (tmp_path / "a.txt").write_text("no picture")
    (tmp_path / "a.png").mkdir()
    assert names(tmp_path / "a*") == [str(path) for path in wanted[:2]]
    assert names(f"{tmp_path}/**/a*") == [str(path) for path in wanted]


def test_existing_name_with_brackets_is_no_pattern(tmp_path: Path) -> None:
    path = save(tmp_path / "fox[1].png")
    save(tmp_path / "fox1.png")
    assert names(path) == [str(path)]


def test_pattern_without_a_match(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("no picture")
    for pattern in ("*.png", "*"):
        with pytest.raises(UnreadableImageError, match="no pictures match .*looked for .png"):
            find_pictures([str(tmp_path / pattern)])


def test_unknown_suffix_is_tried_when_named(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png").rename(tmp_path / "a.dat")
    text = tmp_path / "b.dat"
    text.write_text("no picture")
    good, bad = find_pictures([str(path), str(text)])
    assert good.open().image.size == (4, 4)
    with pytest.raises(UnreadableImageError, match=r"b\.dat: text file: it holds no picture"):
        bad.open()


def test_every_path_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.png")
    other = save(tmp_path / "b.png")
    monkeypatch.chdir(tmp_path)
    assert names("a.png", "./a.png", path, "*.png", tmp_path, ".") == ["a.png", "b.png"]
    assert names(tmp_path, path, other) == [str(path), str(other)]
    tar = write_tar(tmp_path / "c.tar", ["1.png"])
    assert names(tar, "c.tar") == [f"{tar}/1.png"]


@pytest.mark.parametrize("name", ["gone.png", "gone/", "gone\0.png", "", "x" * 5000])
def test_missing_path_is_named_at_once(tmp_path: Path, name: str) -> None:
    good = save(tmp_path / "a.png")
    with pytest.raises(UnreadableImageError, match="cannot find .*name a picture") as error:
        find_pictures([str(good), name])
    assert repr(name) in str(error.value)


def test_link_to_nothing(tmp_path: Path) -> None:
    link = tmp_path / "link[1].png"
    link.symlink_to(tmp_path / "gone.png")
    with pytest.raises(UnreadableImageError, match=r"link\[1\]\.png.*No such file"):
        find_pictures([str(link)])
    (found,) = find_pictures([str(tmp_path)])
    with pytest.raises(UnreadableImageError, match=r"link\[1\]\.png: .*No such file"):
        found.open()


def test_folder_loop_ends(tmp_path: Path) -> None:
    path = save(tmp_path / "sub" / "a.png")
    (tmp_path / "sub" / "up").symlink_to(tmp_path)
    assert names(tmp_path) == [str(path)]


def test_empty_folder_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    good = save(tmp_path / "good" / "a.png")
    empty = tmp_path / "empty"
    (empty / "sub").mkdir(parents=True)
    with pytest.raises(UnreadableImageError, match=f"no pictures in {empty}; looked for .png"):
        find_pictures([str(good), str(empty)])
    write_tar(empty / "00000.tar", ["1.png"])
    with pytest.raises(UnreadableImageError, match=r"to read its tars, name them: .*\*\.tar"):
        find_pictures([str(empty)])


def test_nothing_named() -> None:
    with pytest.raises(UnreadableImageError, match="no picture was named"):
        find_pictures([])


def test_bad_pictures_in_a_folder_do_not_stop_the_others(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    (tmp_path / "b.png").touch()
    (tmp_path / "c.jpg").write_bytes(save(tmp_path / "e.jpg", 64).read_bytes()[:400])
    os.mkfifo(tmp_path / "d.png")
    loaded, faults = [], []
    for found in find_pictures([str(tmp_path)]):
        try:
            loaded.append((found.image_id, found.open().image.size))
        except UnreadableImageError as error:
            faults.append(str(error))
    assert loaded == [("a", (4, 4)), ("e", (64, 64))]
    assert ["b.png: the file is empty" in faults[0], "c.jpg: it is damaged" in faults[1]] == [
        True
    ] * 2
    assert "d.png: it is a pipe" in faults[2] and len(faults) == 3


def test_barred_folder_comes_out_as_a_bad_input(tmp_path: Path) -> None:
    save(tmp_path / "open" / "a.png")
    save(tmp_path / "open" / "barred" / "b.png")
    (tmp_path / "open" / "barred").chmod(0)
    here = os.getcwd()
    os.chdir(tmp_path / "open")  # nobody may not walk down to it
    (tmp_path / "open").chmod(0o755)
    if os.geteuid() == 0:  # root may read everything
        os.seteuid(65534)
    try:
        good, bad = find_pictures(["."])
        with pytest.raises(UnreadableImageError, match="barred: the folder cannot be read .Perm"):
            bad.open()
        assert good.open().image.size == (4, 4)
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
        os.chdir(here)
        (tmp_path / "open" / "barred").chmod(0o755)


def test_tar_gives_its_pictures(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "s.tar", ["1.png", "1.txt", "sub/my.fox.PNG", "._x.png", "5.webp"])
    found = list(find_pictures([str(tar)]))
    assert [one.name for one in found] == [f"{tar}/1.png", f"{tar}/sub/my.fox.PNG", f"{tar}/5.webp"]
    assert [one.image_id for one in found] == ["1", "my.fox", "5"]
    assert {one.path for one in found} == {tar}
    assert [one.open().image.size for one in reversed(found)] == [(5, 5), (3, 3), (1, 1)]


def test_tar_cut_short_gives_the_whole_members_and_one_bad_input(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "s.tar", ["1.png", "2.png", "3.png"])
    content = tar.read_bytes()
    for cut, whole in ((0, 0), (300, 0), (1024, 1), (1100, 1), (2048 + 520, 2), (3072, 3)):
        tar.write_bytes(content[:cut])
        *good, bad = find_pictures([str(tar)])
        assert [one.open().image.size[0] for one in good] == [1, 2, 3][:whole]
        with pytest.raises(UnreadableImageError, match=rf"s\.tar.*{whole} pictures of it"):
            bad.open()
    tar.write_bytes(content)
    assert [one.open().image.size[0] for one in find_pictures([str(tar)])] == [1, 2, 3]


def test_tar_whose_header_leads_backwards(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "s.tar", ["1.png"])
    entry = tarfile.TarInfo("2.png")
    entry.size = -1024
    tar.write_bytes(tar.read_bytes()[:1024] + entry.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    good, bad = find_pictures([str(tar)])
    assert good.open().image.size == (1, 1)
    with pytest.raises(UnreadableImageError, match=r"s\.tar .*1 pictures of it"):
        bad.open()


def test_tar_that_is_none_and_tar_without_pictures(tmp_path: Path) -> None:
    text = tmp_path / "text.tar"
    text.write_text("no tar at all " * 100)
    texts = write_tar(tmp_path / "texts.tar", ["1.txt"])
    good = save(tmp_path / "a.png")
    bad, empty, last = find_pictures([str(text), str(texts), str(good)])
    with pytest.raises(UnreadableImageError, match=r"text\.tar is not a whole uncompressed tar"):
        bad.open()
    with pytest.raises(UnreadableImageError, match=r"texts\.tar: no pictures in the archive"):
        empty.open()
    assert last.open().image.size == (4, 4)


def test_tar_that_shrinks_after_it_was_listed(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "s.tar", ["1.png"])
    (found,) = find_pictures([str(tar)])
    tar.write_bytes(tar.read_bytes()[:530])
    with pytest.raises(UnreadableImageError, match=r"s\.tar/1\.png: .*cut short"):
        found.open()


def test_limits_reach_files_and_members(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png")
    tar = write_tar(tmp_path / "s.tar", ["1.png", "2.png"])
    sources = [str(path), str(tar)]
    large, small, member = find_pictures(sources, PictureLimits(max_pixels=2))
    assert small.open().image.size == (1, 1)
    for one in (large, member):
        with pytest.raises(UnreadableImageError, match="pixels"):
            one.open()
    for one in find_pictures(sources, PictureLimits(max_bytes=20)):
        with pytest.raises(UnreadableImageError, match="larger than"):
            one.open()


def test_listing_opens_nothing(tmp_path: Path) -> None:
    """The names come before any picture is read: they may be gone by then."""
    path = save(tmp_path / "a.png")
    found = list(find_pictures([str(path)]))
    path.unlink()
    with pytest.raises(UnreadableImageError, match="No such file"):
        found[0].open()


def picture_bytes(colour: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["bytes", "struct", "named"])
def test_parquet_of_pictures(tmp_path: Path, form: str) -> None:
    """More rows than a block; one holds no picture and stops nothing."""
    contents = [picture_bytes("red") if row % 2 else picture_bytes("blue") for row in range(130)]
    contents[77] = b"no picture"
    names = [f"p{row}.png" for row in range(130)]
    columns: dict[str, object] = {"image": contents}
    if form == "struct":
        structs = [{"bytes": c, "path": n} for c, n in zip(contents, names, strict=True)]
        columns = {"text": ["x"] * 130, "image": structs}
    elif form == "named":
        columns = {"file_name": names, "jpg": contents}
    pl.DataFrame(columns).write_parquet(tmp_path / "a.parquet")
    found = list(find_pictures([str(tmp_path / "a.parquet")]))
    assert len(found) == 130
    wanted = "00000003" if form == "bytes" else "p3.png"
    assert found[3].name == f"{tmp_path}/a.parquet/{wanted}"
    assert found[3].open().image.getpixel((0, 0)) == (255, 0, 0)
    assert found[128].open().image.getpixel((0, 0)) == (0, 0, 255)
    with pytest.raises(UnreadableImageError, match="cannot read the picture"):
        found[77].open()


def test_parquet_without_pictures(tmp_path: Path) -> None:
    pl.DataFrame({"prompt": ["a fox"]}).write_parquet(tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_text("no parquet")
    for name, reason in (("a", "no column of pictures"), ("b", "cannot read")):
        [found] = find_pictures([str(tmp_path / f"{name}.parquet")])
        with pytest.raises(UnreadableImageError, match=reason):
            found.open()
