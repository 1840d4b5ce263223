"""Embeddings on disk: what was written comes back, what is damaged is named."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from unprompt.index.base.errors import DamagedFileError, SpaceMismatchError
from unprompt.index.vectors.embeddings import (
    METADATA,
    EmbeddingsInfo,
    done_parts,
    part_is_done,
    read_embeddings,
    start_embeddings,
    write_part,
)

INFO = EmbeddingsInfo("colours", 2)
VECTORS = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]], np.float32)


def metadata(first: int, status: list[str]) -> pl.DataFrame:
    count = len(status)
    return pl.DataFrame(
        {
            "image_path": [f"{first + place:09d}" for place in range(count)],
            "caption": [f"prompt {first + place}" for place in range(count)],
            "image_id": range(first, first + count),
            "prompt_id": range(first, first + count),
            "split": ["train"] * count,
            "seed": [0] * count,
            "generator": ["by hand"] * count,
            "status": status,
            "error_message": [None if s == "success" else "cut short" for s in status],
        },
        schema=METADATA,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two parts; in the first the middle picture failed."""
    start_embeddings(tmp_path, INFO)
    write_part(tmp_path, 1, metadata(10, ["success"]), VECTORS[2:], "image", "b")
    failing = metadata(0, ["success", "failed", "success"])
    write_part(tmp_path, 0, failing, VECTORS[:2], "image", "a")
    return tmp_path


def test_parts_come_back_in_order_without_the_failed(folder: Path) -> None:
    found = read_embeddings(folder, verify=True)
    assert found.info == INFO
    assert found.rows["image_id"].to_list() == [0, 2, 10]
    assert found.vectors.dtype == np.float16
    np.testing.assert_allclose(found.vectors, VECTORS, atol=5e-4)
    assert done_parts(folder) == [0, 1]


def test_layout_is_that_of_clip_retrieval(folder: Path) -> None:
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}
    assert "img_emb/img_emb_00000.npy" in names
    assert "metadata/metadata_00001.parquet" in names
    assert not [name for name in names if name.endswith(".tmp")]


def test_a_part_is_out_of_date_when_its_source_changes(folder: Path) -> None:
    assert part_is_done(folder, 0, "image", "a")
    assert not part_is_done(folder, 0, "image", "changed")
    assert not part_is_done(folder, 2, "image", "a")


def test_another_encoder_may_not_go_on(folder: Path) -> None:
    start_embeddings(folder, INFO)
    with pytest.raises(SpaceMismatchError, match="colours.*shapes"):
        start_embeddings(folder, EmbeddingsInfo("shapes", 2))


def test_same_vectors_same_bytes(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    write_part(other, 1, metadata(10, ["success"]), VECTORS[2:], "image", "b")
    for name in ("img_emb/img_emb_00001.npy", "metadata/metadata_00001.parquet"):
        assert (other / name).read_bytes() == (folder / name).read_bytes()


def test_cut_vectors_are_named(folder: Path) -> None:
    path = folder / "img_emb" / "img_emb_00000.npy"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(DamagedFileError, match=r"img_emb_00000\.npy"):
        read_embeddings(folder)


def test_missing_vectors_are_named(folder: Path) -> None:
    (folder / "img_emb" / "img_emb_00001.npy").unlink()
    with pytest.raises(DamagedFileError, match=r"img_emb_00001\.npy"):
        read_embeddings(folder)


def test_vectors_and_rows_of_other_length(folder: Path) -> None:
    np.save(folder / "img_emb" / "img_emb_00000.npy", VECTORS.astype(np.float16))
    with pytest.raises(DamagedFileError, match=r"img_emb_00000\.npy has 3 vectors for 2 rows"):
        read_embeddings(folder)


def test_vectors_of_other_width(folder: Path) -> None:
    np.save(folder / "img_emb" / "img_emb_00000.npy", np.zeros((2, 5), np.float16))
    with pytest.raises(DamagedFileError, match=r"shape \(2, 5\), wanted \(n, 2\)"):
        read_embeddings(folder)


def test_a_flipped_bit_is_found_by_verify(folder: Path) -> None:
    path = folder / "img_emb" / "img_emb_00000.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"img_emb_00000\.npy is not what was written"):
        read_embeddings(folder, verify=True)


def test_no_part_at_all(tmp_path: Path) -> None:
    start_embeddings(tmp_path, INFO)
    with pytest.raises(DamagedFileError, match="no finished part"):
        read_embeddings(tmp_path)
