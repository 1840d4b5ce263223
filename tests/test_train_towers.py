"""Towers cut into blocks compute what their libraries compute; LoRA on each family, by value."""

import copy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_towers import FAMILIES, SIZE, blip2, make_tower, save_blip2
from torch import Tensor

from unprompt.index.base.errors import ConfigError, UnpromptError
from unprompt.index.encoders.preprocess import Preprocess
from unprompt.index.towers.blip2 import load_blip2
from unprompt.index.towers.image_graph import build_image_graph, image_tokens
from unprompt.inversion.train.config import TuningConfig
from unprompt.inversion.train.model.adapters import (
    load_trainable_state,
    merge_adapters,
    trainable_state,
)
from unprompt.inversion.train.model.layout import (
    apply_layout,
    check_gradients,
    parameter_groups,
    set_training_mode,
)
from unprompt.inversion.train.towers.blip2 import Blip2Tower
from unprompt.inversion.train.towers.tower import Tower

ALL = [*FAMILIES, "blip2"]
WINNER = TuningConfig(frozen=0.4, lora=0.4, rank=2, alpha=4)


def pixels(count: int = 2) -> Tensor:
    torch.manual_seed(5)
    return torch.randn(count, 3, SIZE, SIZE)


def step(tower: Tower, tuning: TuningConfig) -> dict[str, Tensor]:
    """Adapt a tower, take one optimiser step; its weights as they were before."""
    layout = apply_layout(tower, tuning)
    before = {name: tensor.clone() for name, tensor in tower.state_dict().items()}
    set_training_mode(tower, layout)
    features = tower(pixels())
    (features * torch.linspace(-1, 1, features.shape[1])).sum().backward()
    check_gradients(tower)
    torch.optim.SGD([p for p in tower.parameters() if p.requires_grad], lr=0.5).step()
    tower.eval()
    return before


@pytest.mark.parametrize("family", [name for name in ALL if name not in ("clip_vit", "blip2")])
def test_features_are_those_of_the_encoder(family: str, tmp_path: Path) -> None:
    tower = make_tower(family, tmp_path)
    preprocess = Preprocess(SIZE, (0.5,) * 3, (0.5,) * 3)
    graph = build_image_graph(SimpleNamespace(trunk=tower.trunk), preprocess, "features")
    raw = torch.randint(0, 255, (3, SIZE, SIZE, 3), dtype=torch.uint8)
    with torch.no_grad():
        own = tower((raw.permute(0, 3, 1, 2).float() - 127.5) / 127.5)
        torch.testing.assert_close(own, graph(raw), atol=1e-6, rtol=0)
    assert own.shape == (3, tower.dim)


def test_a_clip_vit_gives_its_joint_vector(tmp_path: Path) -> None:
    tower = make_tower("clip_vit", tmp_path)
    with torch.no_grad():
        wanted = torch.nn.functional.normalize(tower.trunk(pixels()), dim=-1)
        torch.testing.assert_close(tower(pixels()), wanted)


def test_blip2_gives_the_full_models_queries(tmp_path: Path) -> None:
    from transformers.models.blip_2.modeling_blip_2 import Blip2Model

    folder = save_blip2(tmp_path)
    full = Blip2Model.from_pretrained(folder).eval()
    tower = make_tower("blip2", tmp_path)
    with torch.no_grad():
        found = full.get_qformer_features(pixel_values=pixels())
        wanted = torch.nn.functional.normalize(found.mean(1), dim=-1)
        torch.testing.assert_close(tower(pixels()), wanted, atol=1e-5, rtol=0)


def test_blip2_loads_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = save_blip2(tmp_path)
    trunk, _ = load_blip2(str(folder))
    saved = load_file(folder / "model.safetensors")
    for name, tensor in trunk.state_dict().items():
        torch.testing.assert_close(tensor, saved[name], msg=name)
    lacking = "qformer.encoder.layer.1.attention.attention.query.weight"
    kept = {name: tensor for name, tensor in saved.items() if name != lacking}
    assert len(kept) == len(saved) - 1
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ConfigError, match="lacks 1 tensors.*" + lacking):
        load_blip2(str(folder))
    with pytest.raises(ConfigError, match=r"no config\.json"):
        load_blip2(str(tmp_path / "nowhere"))


@pytest.mark.parametrize("family", ALL)
def test_fresh_adapters_change_nothing(family: str, tmp_path: Path) -> None:
    tower = make_tower(family, tmp_path)
    with torch.no_grad():
        before = tower(pixels())
        layout = apply_layout(tower, WINNER)
        adapters = [name for name, _ in tower.named_parameters() if "lora_" in name]
        assert adapters
        torch.testing.assert_close(tower(pixels()), before, atol=0, rtol=0)
    assert 0 < layout.boundary < layout.full_from < layout.blocks


@pytest.mark.parametrize("family", ALL)
def test_a_step_moves_what_learns_and_nothing_else(family: str, tmp_path: Path) -> None:
    tower = make_tower(family, tmp_path)
    before = step(tower, WINNER)
    learning = trainable_state(tower)
    moved = 0
    for name, tensor in tower.state_dict().items():
        if name in learning:
            moved += not torch.equal(tensor, before[name])
        else:
            assert torch.equal(tensor, before[name]), f"{name} is frozen but moved"
    # A of an adapter stays for one step, as B is zero; so do biases that a norm cancels
    assert moved > len(learning) / 4
    assert any("lora_B" in n and not torch.equal(t, before[n]) for n, t in learning.items())


@pytest.mark.parametrize("family", ALL)
def test_merging_changes_no_output_and_twice_is_once(family: str, tmp_path: Path) -> None:
    tower = make_tower(family, tmp_path)
    plain_names = set(tower.trunk.state_dict())
    step(tower, WINNER)
    with torch.no_grad():
        unmerged = tower(pixels())
        merge_adapters(tower.trunk)
        once = tower(pixels())
        torch.testing.assert_close(once, unmerged, atol=2e-5, rtol=1e-4)
        assert set(tower.trunk.state_dict()) == plain_names
        merge_adapters(tower.trunk)
        torch.testing.assert_close(tower(pixels()), once, atol=0, rtol=0)


def adapters_by_value(state: dict[str, Tensor], scale: float) -> dict[str, Tensor]:
    """Each adapted layer's weight as the paper has it, W + scale * B @ A, by its plain name."""
    found = {}
    for name, low in state.items():
        if ".lora_A" not in name:
            continue
        layer = name.split(".lora_A")[0]
        if ".parametrizations." in layer:  # of a bare weight
            plain, weight = layer.replace(".parametrizations", "")[:-2], f"{layer[:-2]}.original"
        else:
            plain, weight = f"{layer}.weight", f"{layer}.base_layer.weight"
        change = scale * state[name.replace(".lora_A", ".lora_B")].flatten(1) @ low.flatten(1)
        found[plain] = state[weight] + change.view_as(state[weight])
    return found


@pytest.mark.parametrize("family", ALL)
def test_a_merged_weight_is_the_sum_of_its_parts(family: str, tmp_path: Path) -> None:
    tower = make_tower(family, tmp_path)
    step(tower, WINNER)
    before = {name: tensor.clone() for name, tensor in tower.trunk.state_dict().items()}
    wanted = adapters_by_value(before, scale=WINNER.alpha / WINNER.rank)
    merge_adapters(tower.trunk)
    merged = tower.trunk.state_dict()
    assert wanted and set(wanted) <= set(merged)
    for name, tensor in wanted.items():
        torch.testing.assert_close(merged[name], tensor, atol=1e-6, rtol=1e-5, msg=name)


def test_frozen_weights_outlast_many_steps(tmp_path: Path) -> None:
    """An adapter that is put on and off the weight in every pass leaves its rounding there."""
    tower = make_tower("clip_vit", tmp_path)
    before = step(tower, WINNER)
    learning = trainable_state(tower)
    optimizer = torch.optim.SGD([p for p in tower.parameters() if p.requires_grad], lr=0.1)
    for _ in range(10):
        features = tower(pixels())
        (features * torch.linspace(-1, 1, features.shape[1])).sum().backward()
        optimizer.step()
    for name, tensor in tower.state_dict().items():
        assert name in learning or torch.equal(tensor, before[name]), f"{name} is frozen but moved"


@pytest.mark.parametrize("family", ALL)
def test_tokens_are_those_of_the_encoder(family: str, tmp_path: Path) -> None:
    tower = make_tower(family, tmp_path)
    with torch.no_grad():
        state = tower.climb(tower.stem(pixels()), 0)
        tokens = tower.tokens(state)
        torch.testing.assert_close(tokens, image_tokens(tower.trunk, pixels()), atol=1e-5, rtol=0)
    assert tokens.shape[0] == 2 and tokens.shape[2] == tower.token_dim


@pytest.mark.parametrize("family", ALL)
def test_what_learned_is_saved_and_put_back(family: str, tmp_path: Path) -> None:
    tower, other = make_tower(family, tmp_path / "a"), make_tower(family, tmp_path / "b")
    step(tower, WINNER)
    apply_layout(other, WINNER)
    load_trainable_state(other, copy.deepcopy(trainable_state(tower)))
    with torch.no_grad():
        torch.testing.assert_close(other.eval()(pixels()), tower(pixels()), atol=0, rtol=0)


@pytest.mark.parametrize("family", ["efficientnet", "convnext", "clip_vit", "blip2"])
def test_computing_activations_again_changes_nothing(family: str, tmp_path: Path) -> None:
    found = []
    for checkpointing in (False, True):
        tower = make_tower(family, tmp_path / str(checkpointing))
        tower.checkpointing = checkpointing
        step(tower, TuningConfig(frozen=0.2, lora=0.2, rank=2, alpha=4))
        found.append(tower.state_dict())
    without, again = found
    statistics = [name for name in without if "running_" in name or "num_batches" in name]
    assert bool(statistics) == (family == "efficientnet")
    start = make_tower(family, tmp_path / "start").state_dict()
    moved = [name for name in statistics if not torch.equal(without[name], start[name])]
    assert len(moved) > len(statistics) / 3 or not statistics
    for name, tensor in without.items():
        torch.testing.assert_close(again[name], tensor, atol=1e-6, rtol=1e-5, msg=name)
    for name in statistics:
        assert torch.equal(again[name], without[name]), f"{name} counted the batch twice"


@pytest.mark.parametrize("family", ["clip_vit", "timm_vit", "eva", "blip2"])
def test_a_larger_input_keeps_the_embedding_of_a_coarser_grid(family: str, tmp_path: Path) -> None:
    tower = make_tower(family, tmp_path)
    flat = torch.full((1, 3, SIZE, SIZE), 0.3)
    with torch.no_grad():
        small = tower(flat)
        tower.resize(2 * SIZE)
        large = tower(torch.full((1, 3, 2 * SIZE, 2 * SIZE), 0.3))
    assert float((small * large).sum()) > 0.8  # a picture of one colour looks alike at both sizes
    assert not torch.equal(small, large)


def test_a_cnn_takes_any_size(tmp_path: Path) -> None:
    tower = make_tower("convnext", tmp_path)
    tower.resize(48)
    assert tower(torch.randn(1, 3, 48, 48)).shape == (1, tower.dim)


def test_a_tensor_without_gradient_is_an_error(tmp_path: Path) -> None:
    tower = make_tower("clip_vit", tmp_path)
    apply_layout(tower, WINNER)
    tower.trunk.class_embedding.requires_grad_(True)  # below frozen blocks it would learn
    tower.forgotten = torch.nn.Linear(2, 2)
    tower(pixels()).sum().backward()
    with pytest.raises(UnpromptError, match=r"2 tensors .* forgotten\.weight"):
        check_gradients(tower)


def test_eva_with_its_own_query_bias_takes_no_adapter_there(tmp_path: Path) -> None:
    fused, plain = make_tower("eva_fused", tmp_path), make_tower("timm_vit", tmp_path)
    assert fused.blocks[0].attn.q_bias is not None
    assert "blocks.0.attn.qkv" not in fused.lora_targets(0)
    assert "blocks.0.attn.qkv" in plain.lora_targets(0)


def test_layout_by_shares(tmp_path: Path) -> None:
    tower = make_tower("clip_vit", tmp_path)  # five blocks
    layout = apply_layout(tower, WINNER)
    assert (layout.boundary, layout.full_from, layout.blocks) == (2, 4, 5)
    frozen, adapted, full = tower.blocks[0], tower.blocks[2], tower.blocks[4]
    assert not any(p.requires_grad for p in frozen.parameters())
    names = {name for name, p in adapted.named_parameters() if p.requires_grad}
    assert names and all("lora_" in name for name in names)
    assert all(p.requires_grad for p in full.parameters())
    assert tower.trunk.proj.requires_grad and not tower.trunk.conv1.weight.requires_grad


def test_everything_frozen_but_the_head(tmp_path: Path) -> None:
    tower = make_tower("timm_vit", tmp_path)
    apply_layout(tower, TuningConfig(frozen=1.0, lora=0.0))
    assert not any(p.requires_grad for p in tower.parameters())


def test_layers_learn_slower_the_deeper_they_lie(tmp_path: Path) -> None:
    tower, head = make_tower("clip_vit", tmp_path), torch.nn.Linear(24, 3)
    layout = apply_layout(tower, TuningConfig(frozen=0.0, lora=0.0))
    groups = parameter_groups(tower, head, layout, 0.5, 0.1)
    scale = {id(p): group["lr_scale"] for group in groups for p in group["params"]}
    decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    assert len(scale) == sum(1 for m in (tower, head) for p in m.parameters() if p.requires_grad)
    assert scale[id(head.weight)] == 1.0
    assert scale[id(tower.blocks[4].mlp.c_fc.weight)] == 0.5
    assert scale[id(tower.blocks[0].mlp.c_fc.weight)] == 0.5**5
    assert scale[id(tower.trunk.conv1.weight)] == 0.5**6
    assert scale[id(tower.trunk.positional_embedding)] == 0.5**6
    assert decay[id(head.weight)] == 0.1 and decay[id(head.bias)] == 0.0


def test_a_text_branch_of_the_qformer_is_left_out(tmp_path: Path) -> None:
    """Checkpoints for matching carry layers for text, which no picture reaches."""
    folder = save_blip2(tmp_path, text_branch=True)
    saved = load_file(folder / "model.safetensors")
    assert any(".intermediate.dense" in name for name in saved)
    tower = Blip2Tower(load_blip2(str(folder))[0])
    assert not any(".intermediate.dense" in name for name, _ in tower.named_parameters())
    step(tower, TuningConfig(frozen=0.0, lora=0.0))  # all that is trained gets a gradient


def test_blip2_needs_no_language_model_in_memory(tmp_path: Path) -> None:
    tower = blip2(tmp_path)
    assert not any("language" in name for name, _ in tower.named_parameters())
