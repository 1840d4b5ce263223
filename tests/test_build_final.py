"""`corpus.final`: pictures with their prompts -> one bundle to score, and one that knows all."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unprompt.build.config import BuildConfig
from unprompt.build.corpus.config import CorpusConfig
from unprompt.build.keys.config import EmbedConfig
from unprompt.build.scenes.grammar import sample_prompts
from unprompt.index.base.errors import ConfigError
from unprompt.index.bundle.bundle import read_bundle
from unprompt.index.encoders.protocols import EncoderConfig
from unprompt.index.engines.engine import EngineConfig
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.inversion.inverter import Inverter
from unprompt.ui.jobs.build import run_build

pytestmark = pytest.mark.slow
COUNT, NEAR = 26, 6
ALONE = EngineConfig(workers=1)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of noise with a .txt each; some prompts are nearly the same as others."""
    folder, random = tmp_path_factory.mktemp("final"), np.random.default_rng(0)
    prompts = sample_prompts(COUNT - NEAR, 3)
    prompts += [f"{prompt}." for prompt in prompts[:NEAR]]
    (folder / "in").mkdir()
    for place, prompt in enumerate(prompts):
        pixels = random.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((64, 64)).save(folder / "in" / f"{place:02d}.png")
        (folder / "in" / f"{place:02d}.txt").write_text(prompt)
    text = f"""
    corpus:
      source: pairs
      collections: [{{kind: image_folder, path: {folder / "in"}}}]
      dedupe_threshold: null
      validation: 4
      test: 4
      final: true
    encoder: {{model: starter}}
    index: {{whiten: 0}}
    fallback: null
    fit: {{neighbors: [1, 5], penalties: [], phrases: 0}}
    """
    (folder / "mine.yaml").write_text(text)
    return folder / "mine.yaml"


def test_every_picture_becomes_a_row_of_the_final_bundle(config: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    bundle, final = run_build(str(config), run, engine=ALONE), run / "final"
    scored, whole = (PromptIndex.load(folder / "index") for folder in (bundle, final))
    assert whole.manifest.ntotal == COUNT
    assert scored.manifest.ntotal <= COUNT - 8, "held-out and excluded pictures are no rows"
    assert not set(scored.rows["image_id"]) - set(whole.rows["image_id"])
    read_bundle(final, verify=True)
    for name in ("blend.json", "confidence.json"):
        assert (final / name).read_bytes() == (bundle / name).read_bytes(), "as it was measured"
    answers = Inverter.load(final).invert(sorted(config.parent.glob("in/*.png")))
    similar = [answer.neighbors[0].similarity for answer in answers]
    assert min(similar) > 0.99, "each picture finds itself"
    assert "cannot be scored on them" in (final / "card.md").read_text()
    times = {path: path.stat().st_mtime_ns for path in final.rglob("*")}
    run_build(str(config), run, engine=ALONE)
    assert times == {path: path.stat().st_mtime_ns for path in final.rglob("*")}, "made once"
    with pytest.raises(ConfigError, match="corpus.final was True, is None"):
        run_build(str(config), run, overrides={"corpus.final": False})


def test_what_has_no_final_bundle() -> None:
    with pytest.raises(ConfigError, match=r"corpus\.final.*embed\.keys: image"):
        BuildConfig(
            name="texts",
            corpus=CorpusConfig(final=True),
            encoder=EncoderConfig(output="embedding"),
            embed=EmbedConfig(keys="text"),
        )


def test_the_held_out_prompts_do_not_depend_on_it() -> None:
    plain, final = CorpusConfig(), CorpusConfig(final=True)
    assert plain.held_out_digest == final.held_out_digest and plain.written != final.written
    assert "final" not in plain.written
