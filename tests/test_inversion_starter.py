"""The bundle in the tree: small, whole, and it knows its world."""

import numpy as np
import pytest
from PIL import Image

from unprompt.build.scenes.grammar import sample_prompts
from unprompt.build.scenes.renderer import ScenesRenderer
from unprompt.index.bundle.bundle import ENCODER, WORLDS, read_bundle
from unprompt.index.encoders.protocols import to_unit_length
from unprompt.index.exported.export import load_encoder, read_description
from unprompt.index.prompt_encoders.minilm import load_prompt_encoder
from unprompt.index.runtime.self_check import compare
from unprompt.index.towers.clip import load_clip
from unprompt.inversion.inverter import STARTER, Inverter
from unprompt.inversion.query import Query

pytestmark = pytest.mark.slow

LIMIT_BYTES = 64 * 2**20  # a third of it the prompt encoder
NEW_PROMPTS = 60
AS_TORCH = 0.999  # mean cosine of the frozen tower's vectors to torch's


@pytest.fixture(scope="module")
def starter() -> Inverter:
    return Inverter.load()


def test_every_file_is_what_was_sealed_and_it_fits_the_tree() -> None:
    manifest = read_bundle(STARTER, verify=True)
    assert manifest.name == "starter"
    files = [path for path in STARTER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= LIMIT_BYTES


def test_new_scenes_come_back_nearer_than_the_mean_prompt(starter: Inverter) -> None:
    known = set(starter.index.rows["prompt"])
    prompts = [prompt for prompt in sample_prompts(NEW_PROMPTS, 999) if prompt not in known]
    pictures = ScenesRenderer(256).render(prompts, list(range(len(prompts))))
    truth = load_prompt_encoder().encode(prompts)
    answers = starter.invert([Image.fromarray(picture) for picture in pictures])
    blend = float(np.mean([a.vector @ t for a, t in zip(answers, truth, strict=True)]))
    targets = np.asarray(starter.index.targets, dtype=np.float32)
    constant = float((truth @ to_unit_length(targets.mean(0, keepdims=True)).T).mean())
    assert blend > constant + 0.25
    assert np.mean([answer.outside for answer in answers]) <= 0.02
    assert np.mean([answer.world == "scenes" for answer in answers]) >= 0.98
    expected = [answer.expected_cosine for answer in answers if answer.expected_cosine]
    assert abs(np.mean(expected) - blend) < 0.04
    texts = load_prompt_encoder().encode([answer.prompt for answer in answers])
    assert np.einsum("nd,nd->n", texts, truth).mean() > blend - 0.12, "the composed prompts"


def test_the_frozen_tower_answers_as_torch_does() -> None:
    folder = STARTER / WORLDS / "real" / ENCODER
    torch, stored = load_clip(read_description(folder), "cpu"), load_encoder(folder)
    drawn = ScenesRenderer(256).render(sample_prompts(24, 998), list(range(24)))
    pictures = [Image.fromarray(picture) for picture in drawn]
    agreement = compare(torch.encode(pictures), stored.encode(pictures))
    assert stored.space == torch.space
    assert agreement.mean >= AS_TORCH and agreement.lowest >= AS_TORCH - 0.001, agreement


def test_a_picture_of_the_index_gives_its_own_prompt(starter: Inverter) -> None:
    row = starter.index.rows.row(0, named=True)
    picture = ScenesRenderer(256).render([row["prompt"]], [row["seed"]])[0]
    [answer] = starter.invert([Image.fromarray(picture)], Query(candidates=200, compose=False))
    assert answer.prompt == row["prompt"]
    nearest = max(answer.neighbors, key=lambda neighbor: neighbor.similarity)
    assert nearest.row_id == row["row_id"]
