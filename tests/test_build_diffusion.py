"""Pipelines with tiny random weights, saved and loaded for real: what is drawn, and what fails."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_pipelines import MAX_TOKENS, SIDE_PX, save_sd, save_sdxl

from unprompt.build.pictures.diffusion.config import DiffusionConfig, SchedulerConfig
from unprompt.build.pictures.diffusion.model import find_model
from unprompt.build.pictures.diffusion.renderer import DiffusersRenderer
from unprompt.build.renderer import Drawn
from unprompt.index.base.errors import ConfigError, MissingDependencyError, UnpromptError

pytestmark = pytest.mark.slow

PROMPTS = ["the fox", "an owl, the fox", "a fox and an owl", "two owls", "fox"]
SEEDS = [11, 12, 13, 14, 15]
SDE = SchedulerConfig(
    "DPMSolverMultistepScheduler",
    {"algorithm_type": "sde-dpmsolver++", "use_karras_sigmas": True},
)
LONG = "a fox and an owl " * 12


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Threads share out sums, which moves last digits: hold their number."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pipelines")


@pytest.fixture(scope="module")
def sd(folder: Path) -> Path:
    return save_sd(folder / "sd")


@pytest.fixture(scope="module")
def sdxl(folder: Path) -> Path:
    return save_sdxl(folder / "sdxl")


@pytest.fixture(scope="module")
def config(sd: Path) -> DiffusionConfig:
    return DiffusionConfig(str(sd), steps=2, batch_size=4)


def pictures(drawn: list[Drawn]) -> np.ndarray:
    assert [one.error for one in drawn] == [None] * len(drawn)
    return np.stack([one.picture for one in drawn if one.picture is not None])


def draw(config: DiffusionConfig) -> np.ndarray:
    return pictures(DiffusersRenderer(config).draw(PROMPTS, SEEDS))


@pytest.mark.parametrize("name", ["sd", "sdxl"])
def test_what_is_drawn_is_what_the_pipeline_gives_by_itself(
    name: str, request: pytest.FixtureRequest
) -> None:
    from diffusers import DiffusionPipeline

    model = request.getfixturevalue(name)
    config = DiffusionConfig(str(model), steps=2, guidance=5.0, negative_prompt="owl", batch_size=1)
    got = pictures(DiffusersRenderer(config).draw(PROMPTS[:2], SEEDS[:2]))
    assert got.shape == (2, SIDE_PX, SIDE_PX, 3) and got.dtype == np.uint8
    pipeline = DiffusionPipeline.from_pretrained(model)
    pipeline.set_progress_bar_config(disable=True)
    for picture, prompt, seed in zip(got, PROMPTS, SEEDS, strict=False):
        [wanted] = pipeline(
            prompt,
            negative_prompt="owl",
            num_inference_steps=2,
            guidance_scale=5.0,
            generator=torch.Generator().manual_seed(seed),
        ).images
        np.testing.assert_array_equal(picture, np.asarray(wanted))


def test_neither_place_nor_company_in_a_batch_changes_a_byte(config: DiffusionConfig) -> None:
    renderer = DiffusersRenderer(config)
    together = pictures(renderer.draw(PROMPTS, SEEDS))
    order = [2, 0, 4, 3, 1]
    mixed = pictures(renderer.draw([PROMPTS[n] for n in order], [SEEDS[n] for n in order]))
    np.testing.assert_array_equal(mixed, together[order])
    alone = [pictures(renderer.draw([p], [s]))[0] for p, s in zip(PROMPTS, SEEDS, strict=True)]
    np.testing.assert_array_equal(alone, together)
    assert len({picture.tobytes() for picture in together}) == len(PROMPTS)


@pytest.mark.parametrize("dtype", ["fp64", "fp32"])
def test_the_batch_size_changes_nothing_but_rounding(config: DiffusionConfig, dtype: Any) -> None:
    """SDE adds noise in every step: it, too, comes from the picture's own generator."""
    base = replace(config, scheduler=SDE, dtype=dtype)
    drawn = [draw(replace(base, batch_size=size)).astype(int) for size in (1, 3, 4)]
    for other in drawn[1:]:
        gap = np.abs(other - drawn[0])
        if dtype == "fp64":
            assert not gap.any()
        assert gap.max() <= 1 and (gap > 0).mean() < 0.005


def test_seeds_and_settings_make_other_pictures(config: DiffusionConfig, sdxl: Path) -> None:
    def first(changed: DiffusionConfig, seed: int = 1) -> tuple[str, bytes]:
        renderer = DiffusersRenderer(changed)
        return renderer.generator, pictures(renderer.draw(["fox"], [seed])).tobytes()

    name, picture = first(config)
    assert name.startswith("diffusers-StableDiffusionPipeline-")
    assert first(config) == (name, picture)
    assert first(config, 2)[1] != picture
    other = pictures(DiffusersRenderer(config).draw(["owl"], [1]))
    assert np.abs(np.frombuffer(picture, np.uint8).astype(int) - other.ravel()).mean() > 2
    changes: list[dict[str, Any]] = [
        {"steps": 3},
        {"guidance": 2.0},
        {"negative_prompt": "owl"},
        {"scheduler": SchedulerConfig("DPMSolverMultistepScheduler")},
        {"height": 32, "width": 48},
    ]
    others = [first(replace(config, **change)) for change in changes]
    others.append(first(replace(config, model=str(sdxl))))
    assert len({name, *(one[0] for one in others)}) == len(others) + 1
    assert len({picture, *(one[1] for one in others)}) == len(others) + 1


def test_placement_is_no_part_of_the_name(config: DiffusionConfig) -> None:
    moved = replace(config, batch_size=2, device="cpu")
    assert DiffusersRenderer(moved).generator == DiffusersRenderer(config).generator


def test_a_copied_model_is_the_same_and_a_changed_one_another(sd: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(sd, tmp_path / "copy")
    first = find_model(DiffusionConfig(str(sd)))
    assert find_model(DiffusionConfig(str(tmp_path / "copy"))).weights == first.weights
    weights = next((tmp_path / "copy" / "unet").glob("*.safetensors"))
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert find_model(DiffusionConfig(str(tmp_path / "copy"))).weights != first.weights


def test_height_width_and_the_vae_settings_are_used(config: DiffusionConfig) -> None:
    tall = replace(config, height=64, width=48, vae_slicing=True, channels_last=True)
    assert draw(tall).shape == (len(PROMPTS), 64, 48, 3)
    tiled = draw(replace(config, height=64, width=64, vae_tiling=True))
    assert tiled.shape[1:] == (64, 64, 3)
    assert (tiled != draw(replace(config, height=64, width=64))).any()


def test_long_prompts_are_marked(config: DiffusionConfig) -> None:
    short, long = DiffusersRenderer(config).draw(["the fox", LONG], [1, 2])
    assert (short.facts["tokens"], short.facts["truncated"]) == (4, False)  # two words, two marks
    assert long.facts["truncated"] is True and long.facts["tokens"] == 12 * 8 + 2
    assert long.facts["token_limit"] == MAX_TOKENS and long.picture is not None


def test_a_prompt_that_cannot_be_read_fails_alone(config: DiffusionConfig) -> None:
    renderer = DiffusersRenderer(config)
    good, bad, also_good = renderer.draw(["fox", "\ud800", "owl"], [1, 2, 3])
    assert bad.picture is None and "cannot be tokenised" in str(bad.error)
    np.testing.assert_array_equal(
        pictures([good, also_good]), pictures(renderer.draw(["fox", "owl"], [1, 3]))
    )


def test_blanked_pictures_are_failures(folder: Path, config: DiffusionConfig) -> None:
    checked = save_sd(folder / "checked", checked=True)
    drawn = DiffusersRenderer(replace(config, model=str(checked))).draw(PROMPTS[:2], SEEDS[:2])
    assert [one.picture for one in drawn] == [None, None]
    assert drawn[1].error == "the safety checker blanked the picture of 'an owl, the fox'"


@pytest.mark.parametrize(("value", "message"), [(float("nan"), "no numbers"), (-9.0, "black all")])
def test_pictures_without_content_are_failures(
    config: DiffusionConfig, value: float, message: str
) -> None:
    """What an overflow in fp16 leads to: the decoder's last layer gives one value everywhere."""
    renderer = DiffusersRenderer(config)
    last = renderer._loaded.call.vae.decoder.conv_out
    last.weight.data.zero_()
    last.bias.data.fill_(value)
    [drawn] = renderer.draw(["fox"], [1])
    assert drawn.picture is None and message in str(drawn.error) and "'fox'" in str(drawn.error)


def run_out_of_memory_above(renderer: DiffusersRenderer, pictures: int) -> None:
    """Let the real UNet fail as CUDA does where a batch (twice, for guidance) is too large."""

    def check(_module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        if len(inputs[0]) > 2 * pictures:
            raise torch.OutOfMemoryError("CUDA out of memory")

    renderer._loaded.call.unet.register_forward_pre_hook(check)


def test_short_memory_halves_the_batch_and_loses_nothing(config: DiffusionConfig) -> None:
    renderer = DiffusersRenderer(replace(config, batch_size=7, dtype="fp64"))
    run_out_of_memory_above(renderer, 2)
    drawn = renderer.draw(PROMPTS, SEEDS)
    assert renderer.batch_size == 1
    assert {one.facts["batch_size"] for one in drawn} == {1}
    np.testing.assert_array_equal(pictures(drawn), draw(replace(config, dtype="fp64")))


def test_no_memory_for_one_picture_says_what_helps(config: DiffusionConfig) -> None:
    renderer = DiffusersRenderer(config)
    run_out_of_memory_above(renderer, 0)
    with pytest.raises(UnpromptError, match="vae_tiling"):
        renderer.draw(PROMPTS, SEEDS)


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "no folder": ({"model": "./nowhere"}, "no folder nowhere, and './nowhere' is no hub name"),
    "no network": ({"model": "nobody/nothing"}, "Without a network, name a folder"),
    "scheduler": ({"scheduler": SchedulerConfig("NoScheduler")}, "DPMSolverMultistepScheduler"),
    "option": ({"scheduler": SchedulerConfig(None, {"karras": True})}, "no option 'karras'"),
    "value": ({"scheduler": replace(SDE, options={"algorithm_type": "x"})}, "cannot work"),
    "device": ({"device": "cuda:99"}, "device cuda:99 cannot be used"),
    "variant": ({"variant": "fp16"}, "variant=fp16"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_settings_that_cannot_work_say_why(config: DiffusionConfig, fault: str) -> None:
    change, message = FAULTS[fault]
    with pytest.raises(ConfigError, match=message):
        DiffusersRenderer(replace(config, **change)).draw(["fox"], [1])


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 0},
        {"guidance": -1.0},
        {"height": 500, "width": 512},
        {"width": 64},
        {"batch_size": 0},
    ],
)
def test_numbers_out_of_range_are_refused(config: DiffusionConfig, change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(change))):
        replace(config, **change)


def test_other_folders_and_other_pipelines_are_refused(
    config: DiffusionConfig, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="no model_index.json"):
        DiffusersRenderer(replace(config, model=str(tmp_path)))
    from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

    unet = UNet2DModel(8, block_out_channels=(8, 8), down_block_types=("DownBlock2D",) * 2,
                       up_block_types=("UpBlock2D",) * 2, norm_num_groups=4)  # fmt: skip
    DDPMPipeline(unet, DDPMScheduler()).save_pretrained(tmp_path / "ddpm")
    with pytest.raises(ConfigError, match="DDPMPipeline does not take.*prompt"):
        DiffusersRenderer(replace(config, model=str(tmp_path / "ddpm"))).draw(["fox"], [1])


@pytest.mark.parametrize(("module", "change", "install"), [
    ("diffusers", {}, r"pip install 'unprompt\[render,build\]'"),
    ("xformers", {"attention": "xformers"}, "pip install xformers"),
])  # fmt: skip
def test_missing_libraries_come_with_their_install_line(
    config: DiffusionConfig,
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    change: dict[str, Any],
    install: str,
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match=install):
        DiffusersRenderer(replace(config, **change)).draw(["fox"], [1])


def test_nothing_is_printed(config: DiffusionConfig, capfd: pytest.CaptureFixture[str]) -> None:
    DiffusersRenderer(config).draw(["fox", LONG], [1, 2])
    shown = capfd.readouterr()
    assert (shown.out, shown.err) == ("", "")


def test_one_seed_a_prompt(config: DiffusionConfig) -> None:
    with pytest.raises(ConfigError, match="2 prompts and 1 seeds"):
        DiffusersRenderer(config).draw(["a", "b"], [1])
