"""`unprompt tune` of runs over several corpora: worlds with a router, or an ensemble if better."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from test_layers import loaded_after

from unprompt.build.corpus.corpus import read_corpus
from unprompt.build.pipeline import pictures_of
from unprompt.index.base.errors import ConfigError
from unprompt.index.bundle.run_folder import RunFolder
from unprompt.index.exported.export import load_encoder
from unprompt.index.images.pictures import open_picture
from unprompt.index.images.shard_pictures import ImageShards
from unprompt.inversion.fit.joining.pool import Pool, pool_pictures
from unprompt.inversion.fit.joining.ways import Way
from unprompt.inversion.fit.runs import FinishedRun, group_runs
from unprompt.inversion.inverter import Inverter
from unprompt.inversion.query import Query
from unprompt.ui.jobs.build import build_run
from unprompt.ui.jobs.config import load_config

pytestmark = pytest.mark.slow

OTHER = {
    "corpus": {
        "source": "scenes", "count": 200, "seed": 2, "dedupe_threshold": 0.95,
        "validation": 40, "test": 20,
    },
    "render": {"size_px": 64, "images_per_shard": 100},
    "encoder": {"model": "efficientnet-lite0", "output": "pooled"},
    "index": {"recall_k": 10},
    "fallback": None,
    "fit": {
        "neighbors": [5], "temperatures": [0.1], "powers": [], "penalties": [], "phrases": 100,
    },
}  # fmt: skip
QUICK = [part for name in ("powers", "penalties") for part in ("--set", f"{name}=[]")]


@pytest.fixture(scope="module")
def other_run(build_once: Any) -> Path:
    """A run over other prompts, whose pictures are small."""

    def build(folder: Path) -> None:
        folder.mkdir(parents=True)
        config = folder / "config.yaml"
        config.write_text(yaml.safe_dump(OTHER))
        build_run(folder, load_config(str(config)))

    made: Path = build_once("other-corpus", build)
    return made


def finished(folder: Path, name: str) -> FinishedRun:
    run = RunFolder(folder)
    corpus = read_corpus(run.corpus)
    return FinishedRun(name, run.bundle, run.image_embeddings, pictures_of(run), corpus)


@pytest.fixture(scope="module")
def pool(tiny_run: Path, other_run: Path) -> Iterator[Pool]:
    yield pool_pictures([[finished(tiny_run, "one")], [finished(other_run, "two")]])


def test_runs_over_one_corpus_stand_together(tiny_run: Path, other_run: Path) -> None:
    runs = [finished(tiny_run, "a"), finished(other_run, "b"), finished(tiny_run, "c")]
    assert [[run.name for run in group] for group in group_runs(runs)] == [["a", "c"], ["b"]]


def test_the_pool_holds_all_pictures_under_all_towers(
    pool: Pool, tiny_run: Path, other_run: Path
) -> None:
    """Own keys are those of the run; foreign ones are what its tower makes of the picture."""
    counts = np.bincount(pool.labels.world)
    assert list(counts) == [40, 40] and not np.isnan(pool.keys["one"]).any()
    np.testing.assert_allclose(np.linalg.norm(pool.labels.truth, axis=1), 1.0, atol=1e-3)
    run = finished(other_run, "two")
    rows = run.labelled("validation").rows.sort("image_id")
    row = rows.row(3, named=True)
    assert pool.labels.groups[40 + 3] == row["prompt_id"]
    picture = open_picture(ImageShards(run.pictures).image(row["image_path"]), "picture")
    for name, folder in (("one", tiny_run), ("two", other_run)):
        key = load_encoder(folder / "bundle" / "encoder").encode([picture])[0]
        assert pool.keys[name][40 + 3] @ key > 0.995, name


@pytest.fixture(scope="module")
def both(
    tiny_run: Path, other_run: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """The bundle of both runs, and what the command printed."""
    import contextlib
    import io

    from unprompt.ui.jobs.tune import run_tune

    folder = tmp_path_factory.mktemp("joined") / "both"
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        settings = ["neighbors=[5]", "powers=[]", "penalties=[]"]
        run_tune([tiny_run, other_run], folder, settings, True)
    return folder, json.loads(said.getvalue())


def test_both_ways_are_compared_and_the_better_is_kept(
    both: tuple[Path, dict[str, Any]],
) -> None:
    folder, report = both
    means = {way["way"]: way["mean"] for way in report["held_out"]}
    first, second = "worlds with a router", "one ensemble"
    assert report["kept"] == (first if means[first] >= means[second] else second)
    assert all(0.3 < mean < 1.0 for mean in means.values()) and len(means) == 3
    assert report["router"] is None or [one["pictures"] for one in report["router"]["classes"]] == [
        40,
        40,
    ]
    assert [path.name for path in folder.parent.iterdir()] == ["both"], "nothing left beside it"


def test_the_joined_bundle_answers(
    both: tuple[Path, dict[str, Any]], tiny_pictures: list[Image.Image]
) -> None:
    inverter = Inverter.load(both[0])
    answers = inverter.invert(tiny_pictures[:6])
    assert all(answer.prompt and answer.expected_cosine for answer in answers)
    if inverter.router is not None:
        assert {answer.world for answer in answers} <= {world.name for world in inverter.worlds}
    known = inverter.invert(tiny_pictures[:1], Query(compose=False))[0]
    index = inverter.world_of(known).index
    [row] = index.read_rows([known.candidates[0].row]).to_dicts()
    assert row["prompt"] == known.candidates[0].prompt


def test_a_query_of_a_joined_bundle_loads_no_library_of_the_fit(
    both: tuple[Path, dict[str, Any]],
) -> None:
    loaded = loaded_after(
        "from PIL import Image\n"
        "from unprompt.inversion.inverter import Inverter\n"
        f"inverter = Inverter.load({str(both[0])!r})\n"
        "assert inverter.invert(Image.new('RGB', (50, 40), 'red')).prompt\n"
    )
    assert not {"torch", "scipy", "sklearn", "pandas", "open_clip", "timm"} & loaded


@pytest.mark.parametrize("better", ["worlds with a router", "one ensemble"])
def test_three_runs_over_two_corpora(
    better: str,
    tiny_run: Path,
    other_run: Path,
    tmp_path: Path,
    cli: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two runs over one corpus are one world; which way is better is given here."""
    ways = [
        Way(what, (0.5, 0.8 if what == better else 0.6))
        for what in ("worlds with a router", "one ensemble", "the own world of each")
    ]
    monkeypatch.setattr("unprompt.ui.jobs.join.compare_ways", lambda *_: ways)
    second, out = tmp_path / "second", tmp_path / "all"
    second.symlink_to(tiny_run)
    found = cli("tune", tiny_run, second, other_run, "-o", out, "--set", "neighbors=[5]", *QUICK)
    assert found.code == 0, found.err
    assert f"| {better} | 0.5000 | 0.8000 | 0.6500 | yes |" in found.out
    inverter = Inverter.load(out)
    if better == "one ensemble":
        assert len(inverter.members) == 3 and inverter.router is None
    else:
        names = [tiny_run.name, other_run.name]
        assert [world.name for world in inverter.worlds] == names
        assert [len(world.members) for world in inverter.worlds] == [2, 1]
        assert not (out / "fallback").exists() and "| world | pictures | recognized |" in found.out
    again = cli("tune", tiny_run, other_run, "-o", out)
    assert again.code == 1 and "is not empty" in again.err


def test_a_run_without_pictures_is_named(tiny_run: Path, other_run: Path, tmp_path: Path) -> None:
    gone = FinishedRun(
        "gone", *(getattr(finished(other_run, "x"), name) for name in ("bundle", "embeddings")),
        tmp_path / "nowhere", finished(other_run, "x").truths,
    )  # fmt: skip
    with pytest.raises(ConfigError, match="one and gone.*needs the pictures of gone"):
        pool_pictures([[finished(tiny_run, "one")], [gone]])


def test_a_mean_over_corpora_not_over_pictures() -> None:
    assert Way("any", (0.2, 0.6)).mean == pytest.approx(0.4)
