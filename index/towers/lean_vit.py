"""A transformer's image side -> one that runs faster on a CPU, with the same vectors to rounding.

- MLPs run in blocks of hidden units. Each block is widened, activated and multiplied back before
  the next one, so the values between the two matrices stay in a core's cache. OpenVINO gains most
  in bf16.
- Patches are cut out and multiplied by one matrix, instead of a convolution with a large stride.
- The last block runs for the class token only, if nothing else of its output is used.

Other modules stay as they are. All weights are shared with the original module.
"""

import copy
import importlib
from typing import Any

PIECE = 512  # hidden units per block; their values and weights fit a core's cache
LEAST_PATCH = 8  # pixels; smaller strides belong to CNNs
MLPS = (  # of open_clip, timm and transformers
    ("c_fc", "gelu", "c_proj"),
    ("fc1", "act", "fc2"),
    ("fc1", "activation_fn", "fc2"),
)


def lean_graph(graph: Any) -> Any:
    """Make an image graph (image_graph.py) lean. Its vectors stay the same."""
    tower = _lean(graph.tower)
    if graph.reader is None and _reads_class_token(tower):  # a Q-Former reads all tokens
        *blocks, last = tower.transformer.resblocks
        resblocks = _nn().ModuleList([*blocks, _class_token_block(last)])
        transformer = _with_children(tower.transformer, {"resblocks": resblocks})
        tower = _with_children(tower, {"transformer": transformer})
    return _with_children(graph, {"tower": tower})


def _lean(module: Any) -> Any:
    parts = _mlp_parts(module)
    if parts is not None:
        return _mlp_in_pieces(*parts)
    if _cuts_patches(module):
        return _patch_matrix(module)
    lean = {name: _lean(child) for name, child in module.named_children()}
    changed = {name: part for name, part in lean.items() if part is not getattr(module, name)}
    return _with_children(module, changed) if changed else module


def _with_children(module: Any, children: dict[str, Any]) -> Any:
    """A copy of the module with other children; the weights are not copied."""
    twin = copy.copy(module)
    twin._modules = {**module._modules, **children}
    return twin


def _mlp_parts(module: Any) -> list[Any] | None:
    """The widening matrix, the activation and the narrowing matrix of a wide MLP, or None."""
    nn, children = _nn(), dict(module.named_children())
    for names in MLPS:
        if not children.keys() >= set(names):
            continue
        widen, activation, narrow = parts = [children.pop(name) for name in names]
        plain = isinstance(widen, nn.Linear) and isinstance(narrow, nn.Linear)
        alone = all(isinstance(other, nn.Dropout | nn.Identity) for other in children.values())
        if plain and alone and widen.out_features == narrow.in_features >= 2 * PIECE:
            return parts
        return None
    return None


def _mlp_in_pieces(widen: Any, activation: Any, narrow: Any) -> Any:
    """An MLP (..., d) -> (..., d) that computes one block of the hidden layer at a time."""
    nn = _nn()
    count = round(widen.out_features / PIECE)
    biases = [None] * count if widen.bias is None else widen.bias.chunk(count)

    class MlpInPieces(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.widen = nn.ModuleList(map(_linear, widen.weight.chunk(count), biases))
            self.activation = activation
            no_bias = [None] * (count - 1)
            self.narrow = nn.ModuleList(
                map(_linear, narrow.weight.chunk(count, dim=1), [narrow.bias, *no_bias])
            )

        def forward(self, tokens: Any) -> Any:
            found: Any = None
            for widen, narrow in zip(self.widen, self.narrow, strict=True):
                piece = narrow(self.activation(widen(tokens)))
                found = piece if found is None else piece + found
            return found

    return MlpInPieces()


def _linear(weight: Any, bias: Any) -> Any:
    """A linear layer with these weights, without a copy."""
    nn = _nn()
    layer = nn.Linear(1, 1, bias=False)
    layer.out_features, layer.in_features = weight.shape
    layer.weight = nn.Parameter(weight.detach(), requires_grad=False)
    layer.bias = None if bias is None else nn.Parameter(bias.detach(), requires_grad=False)
    return layer


def _cuts_patches(module: Any) -> bool:
    return (
        isinstance(module, _nn().Conv2d)
        and module.kernel_size == module.stride
        and min(module.stride) >= LEAST_PATCH
        and (module.groups, module.padding, module.dilation) == (1, (0, 0), (1, 1))
    )


def _patch_matrix(convolution: Any) -> Any:
    """Planes (n, c, h, w) -> (n, d, h // patch, w // patch). Incomplete patches are dropped."""
    nn = _nn()
    high, wide = convolution.stride
    matrix = _linear(convolution.weight.flatten(1), convolution.bias)

    class PatchMatrix(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.matrix = matrix
            self.weight = convolution.weight  # some callers read its dtype

        def forward(self, planes: Any) -> Any:
            rows, columns = planes.shape[2] // high, planes.shape[3] // wide
            planes = planes[:, :, : rows * high, : columns * wide]
            cut = planes.unflatten(3, (columns, wide)).unflatten(2, (rows, high))
            patches = cut.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)
            return self.matrix(patches).transpose(1, 2).unflatten(2, (rows, columns))

    return PatchMatrix()


def _reads_class_token(tower: Any) -> bool:
    """Whether this is open_clip's own ViT with plain blocks, pooled by its class token."""
    from open_clip.transformer import ResidualAttentionBlock, VisionTransformer

    return (
        isinstance(tower, VisionTransformer)
        and tower.pool_type == "tok"
        and tower.attn_pool is None
        and not tower.output_tokens
        and isinstance(tower.transformer.resblocks[-1], ResidualAttentionBlock)
        and isinstance(tower.transformer.resblocks[-1].attn, _nn().MultiheadAttention)
    )


def _class_token_block(block: Any) -> Any:
    """A block that maps tokens (n, t, d) to the first output token (n, 1, d)."""

    class ClassTokenBlock(_nn().Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.block = block

        def forward(self, tokens: Any, attn_mask: Any = None) -> Any:
            block = self.block
            read = block.ln_1(tokens)
            seen = block.attn(read[:, :1], read, read, need_weights=False)[0]
            first = tokens[:, :1] + block.ls_1(seen)
            return first + block.ls_2(block.mlp(block.ln_2(first)))

    return ClassTokenBlock()


def _nn() -> Any:
    return importlib.import_module("torch").nn
