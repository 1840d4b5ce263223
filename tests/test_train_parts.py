"""Heads, losses, augmentation, averages, schedules and draws, each by value."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from unprompt.index.base.errors import ConfigError, DamagedFileError
from unprompt.index.towers.qformer import load_qformer
from unprompt.inversion.train.config import (
    HeadLayout,
    ObjectiveConfig,
    StageConfig,
    TrainConfig,
    TuningConfig,
)
from unprompt.inversion.train.data.augment import MildRandAugment, augment
from unprompt.inversion.train.data.pairs import Pairs
from unprompt.inversion.train.data.pictures import make_batches, share_of
from unprompt.inversion.train.loop.checkpoints import (
    KEPT,
    Checkpoint,
    Progressed,
    choose_checkpoint,
    list_checkpoints,
    load_checkpoint,
    save_checkpoint,
)
from unprompt.inversion.train.loop.curves import draw_curves
from unprompt.inversion.train.loop.ema import Ema
from unprompt.inversion.train.loop.metrics import MetricsLog, read_metrics
from unprompt.inversion.train.loop.schedule import Place, Schedule
from unprompt.inversion.train.model.heads import build_head, head_tensors
from unprompt.inversion.train.model.objectives import objective


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_a_folded_head_gives_the_same_vectors(kind: str) -> None:
    torch.manual_seed(0)
    head = build_head(HeadLayout(kind=kind, width=32), 10)
    for _ in range(20):  # moves the running statistics
        head.train()(3.0 * torch.randn(16, 10) + 1.0)
    head.eval()
    features = torch.randn(5, 10)
    own = head_tensors(head)
    hidden = features.numpy()
    if kind == "mlp":
        hidden = np.maximum(hidden @ own["weight_1"] + own["bias_1"], 0.0)
    with torch.no_grad():
        wanted = head(features).numpy()
    np.testing.assert_allclose(hidden @ own["weight_2"] + own["bias_2"], wanted, atol=2e-5)


def test_a_qformer_reads_every_token_in_any_order() -> None:
    torch.manual_seed(0)
    head = build_head(HeadLayout(kind="qformer", width=16, queries=3, layers=1), 99, 12).eval()
    assert head.takes_tokens
    tokens = torch.randn(2, 7, 12)
    with torch.no_grad():
        found = head(tokens)
        shuffled = head(tokens[:, [3, 1, 0, 6, 5, 2, 4]])
        changed = head(torch.cat([tokens[:, :6], 9.0 * tokens[:, 6:].roll(1, -1)], dim=1))
    assert found.shape == (2, 384)
    torch.testing.assert_close(found, shuffled, atol=1e-5, rtol=1e-4)
    assert (found - changed).abs().max() > 1e-3
    again = load_qformer(head_tensors(head))
    with torch.no_grad():
        assert torch.equal(again(tokens), found)
    with pytest.raises(ConfigError, match="no tokens"):
        build_head(HeadLayout(kind="qformer"), 99)


def test_losses_by_value() -> None:
    found, wanted = torch.tensor([[2.0, 0.0], [0.0, 3.0]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert objective(ObjectiveConfig("cosine"))(found, wanted) == pytest.approx(0.5)
    angular = objective(ObjectiveConfig("angular"))(found, wanted)
    assert angular == pytest.approx(0.25, abs=1e-3)  # of 0 and a right angle, over pi
    mixed = objective(ObjectiveConfig("cosine_mse", mse_weight=0.1))(found, wanted)
    assert mixed == pytest.approx(0.5 + 0.1 * (1 + 0 + 1 + 9) / 4)


def test_the_angular_loss_has_a_gradient_where_both_agree() -> None:
    found = torch.tensor([[1.0, 0.0]], requires_grad=True)
    objective(ObjectiveConfig("angular"))(found, torch.tensor([[1.0, 0.0]])).backward()
    assert torch.isfinite(found.grad).all()


@pytest.mark.parametrize("kind", ["light", "randaugment"])
def test_augmentation_depends_on_its_seed_alone(kind: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (24, 24, 3)).astype(np.uint8)
    change = augment(kind, False, 24)
    assert change is not None
    kept = pixels.copy()
    found = [change(pixels, seed) for seed in (1, 1, 2, 3, 4)]
    assert all(entry.shape == (24, 24, 3) and entry.dtype == np.uint8 for entry in found)
    assert np.array_equal(found[0], found[1])
    assert len({entry.tobytes() for entry in found}) >= 3
    assert np.array_equal(pixels, kept)


def test_flips_come_only_when_asked_for() -> None:
    assert augment("none", False, 8) is None
    ramp = np.repeat(np.arange(8, dtype=np.uint8)[None, :, None], 8, 0).repeat(3, 2)
    flip = augment("none", True, 8)
    assert flip is not None
    seen = {flip(ramp, seed)[0, 0, 0] for seed in range(20)}
    assert seen == {0, 7}
    light = augment("light", False, 8)
    assert light is not None
    assert all(light(ramp, s)[:, 0].mean() <= light(ramp, s)[:, -1].mean() for s in range(20))


def test_no_operation_inverts_colours() -> None:
    names = set(MildRandAugment._AUGMENTATION_SPACE)
    assert "Rotate" in names and not names & {"Invert", "Solarize", "Posterize", "Equalize"}


def test_the_average_follows_its_formula_and_steps_aside() -> None:
    layer = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(layer.weight)
    average = Ema(layer, 0.75)
    wanted = 0.0
    for count in range(1, 40):
        torch.nn.init.constant_(layer.weight, float(count))
        average.update(layer)
        decay = min(0.75, (1 + count) / (10 + count))
        wanted = decay * wanted + (1 - decay) * count
    with average.swap(layer):
        assert layer.weight.item() == pytest.approx(wanted, rel=1e-5)
    assert layer.weight.item() == 39.0
    other = Ema(torch.nn.Linear(1, 1, bias=False), 0.75)
    other.load(average.state())
    other.update(layer)
    average.update(layer)
    assert torch.equal(other.state()["weight"], average.state()["weight"])


def schedule() -> Schedule:
    stages = (
        StageConfig(3, learning_rate=1.0, final_learning_rate=0.1, head_only_epochs=1, warmup=0.2),
        StageConfig(1, learning_rate=0.5, final_learning_rate=0.0, warmup=0.0),
    )
    return Schedule(stages, (10, 4))


def test_warm_up_and_cosine() -> None:
    plan = schedule()
    assert plan.total == 34
    rates = [plan.learning_rate(step) for step in range(plan.total)]
    assert rates[:2] == pytest.approx([0.5, 1.0])  # head only: 10 steps, 2 of them warm-up
    assert rates[10:14] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    middle = 14 + (30 - 14) // 2
    assert rates[middle] == pytest.approx(0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi / 2)))
    assert rates[29] < 0.12 and rates[30] == 0.5
    assert plan.place(30) == Place(1, 0, 0) and plan.place(29) == Place(0, 2, 9)
    assert plan.ends_epoch(9) and not plan.ends_epoch(8)


def test_one_render_of_each_prompt_an_epoch() -> None:
    prompts = np.array([0, 0, 1, 2, 2, 2])
    pairs = Pairs(Path(), [str(n) for n in range(6)], prompts, np.eye(6, dtype=np.float32))
    drawn = [pairs.draw(1, epoch) for epoch in range(30)]
    assert all(sorted(prompts[rows]) == [0, 1, 2] for rows in drawn)
    assert {row for rows in drawn for row in rows} == set(range(6))
    assert np.array_equal(pairs.draw(1, 3), pairs.draw(1, 3))


def test_processes_share_a_batch_evenly() -> None:
    batches = make_batches(np.arange(11), 4)
    assert batches == [[0, 1, 2, 3], [4, 5, 6, 7]]
    shares = [share_of(batches[0], rank, 2) for rank in range(2)]
    assert shares == [[0, 2], [1, 3]]


def checkpoint(step: int) -> Checkpoint:
    weights = {"w": torch.full((2,), float(step))}
    return Checkpoint(Progressed(step, 0.5, 3), weights, None, {"optimizer": {"n": step}})


def test_checkpoints_are_whole_and_few(tmp_path: Path) -> None:
    for step in (1, 2, 3, 4):
        save_checkpoint(tmp_path, checkpoint(step))
    assert len(list_checkpoints(tmp_path)) == KEPT
    last = choose_checkpoint(tmp_path, "latest")
    assert last is not None
    found = load_checkpoint(last)
    assert found.progressed == Progressed(4, 0.5, 3) and found.weights["w"].tolist() == [4.0, 4.0]
    (last / "state.json").unlink()  # as a kill before the end leaves it
    before = choose_checkpoint(tmp_path, "latest")
    assert before is not None and before.name == "step_00000003"
    (before / "optimizer.pt").write_bytes(b"torn")
    with pytest.raises(DamagedFileError, match=r"optimizer\.pt is broken"):
        load_checkpoint(before)
    with pytest.raises(ConfigError, match="is not a checkpoint"):
        choose_checkpoint(tmp_path, str(tmp_path))


def test_metrics_after_the_checkpoint_are_forgotten(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path)
    for step in (1, 2, 3):
        log.log(step, {"kind": "step", "loss": 1.0 / step})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')
    log.truncate_after(2)
    assert [line["step"] for line in read_metrics(tmp_path / "metrics.jsonl")] == [1, 2]
    assert list((tmp_path / "tensorboard").iterdir())


def test_curves_are_a_picture(tmp_path: Path) -> None:
    from PIL import Image

    log = MetricsLog(tmp_path)
    for step in range(1, 6):
        log.log(step, {"kind": "step", "loss": 1.0 / step, "learning_rate": 0.1})
    log.log(5, {"kind": "validation", "cosine": 0.7})
    draw_curves(tmp_path / "metrics.jsonl", tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.format == "PNG" and picture.width > 800


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tuning": TuningConfig, "frozen": 0.7, "lora": 0.5}, "together at most 1"),
        ({"tuning": StageConfig, "epochs": 1, "head_only_epochs": 2}, "head_only_epochs <= epochs"),
        (
            {"tuning": TrainConfig, "batch_size": 10, "accumulate": 4},
            "multiple of train.accumulate",
        ),
        ({"tuning": TrainConfig, "ema": 1.0}, "between 0 and 1"),
        ({"tuning": HeadLayout, "initial": "text_map"}, "needs head.kind linear"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict, message: str) -> None:
    kind = settings.pop("tuning")
    with pytest.raises(ConfigError, match=message):
        kind(**settings)
