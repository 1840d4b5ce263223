"""Counts and settings of a build -> its work: how many items, and how much work one item is.

Work per item is in the unit that rates are scaled by: TFLOP for a diffusion image, pixels for a
scene, GFLOP for towers, index building and near-duplicates.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from unprompt.build.corpus.duplicates.config import DuplicatesConfig
from unprompt.build.corpus.duplicates.growing_index import ROUNDS, SAMPLES_PER_CELL, cell_count
from unprompt.build.planning.rates import Costs, RateStage, Setting
from unprompt.index.search.factory import IndexConfig
from unprompt.index.search.factory_string import parse_factory
from unprompt.index.search.training import LIST_ROUNDS, LIST_SAMPLE

ENCODER, DISTANCES = "all-MiniLM-L6-v2", "exact distances"  # subjects of rates
PROMPT_DIM = 384
KMEANS_ROUNDS, KMEANS_POINTS = LIST_ROUNDS, LIST_SAMPLE  # rounds, training rows per list
CODEBOOK_ROUNDS = 25
PCA_ROWS = 1000  # training rows per dimension
OPQ_ROUNDS, OPQ_ROWS = 50, 65_536
CODES_PER_DISTANCE = 10  # fast-scan codes that take the time of one exact distance
# 34 CPU-seconds for 100,000 rows of 512 numbers (HNSW32, measured by this project), in GFLOP of
# exact distances at their rate, per row and number. It grows with the logarithm of the rows.
HNSW_GFLOP = 34 * 140 / (100_000 * 512)


@dataclass(frozen=True)
class Item:
    """One item of a stage, as rates are looked up for it."""

    stage: RateStage
    subject: str
    work: float | None = None  # None: unknown, only a rate of the same item applies
    unit: str = ""  # of `work`
    settings: Mapping[str, Setting] = field(default_factory=dict)  # all that its time depends on
    family: str | None = None  # of a tower
    recipe: str | None = None  # rates that this recipe states apply too
    recipe_only: bool = False  # and no other rates


@dataclass(frozen=True)
class Work:
    """All items of one kind in a build."""

    stage: str
    label: str
    items: float
    unit: str  # of `items`: prompts, images or GFLOP
    item: Item


@dataclass(frozen=True)
class RenderItem:
    """One image to render."""

    item: Item
    label: str
    stored_px: int  # side of the stored image
    note: str | None = None

    @property
    def kind(self) -> str:
        """Kind of `PictureSize`: scenes or diffusion."""
        return "scenes" if self.item.subject == "scenes" else "diffusion"


@dataclass(frozen=True)
class PlanRequest:
    """Counts and settings of a build."""

    name: str
    prompts: int
    held_out: int
    images: int
    rows: int  # of the index
    images_per_shard: int
    format: str
    quality: int | str
    renders: tuple[RenderItem, ...]  # alternatives, the first is counted; empty: images exist
    embed: Item | None  # None: embeddings exist
    dim: int  # of the index keys, before the transforms of the index
    index: IndexConfig
    training: tuple[Work, ...] = ()
    duplicates: DuplicatesConfig | None = None  # None: near-duplicates stay
    notes: tuple[str, ...] = ()

    @property
    def shards(self) -> int:
        """Number of image shards."""
        return -(-self.images // self.images_per_shard)

    def works(self, factory: str) -> list[list[Work]]:
        """All work in order: lists of alternatives, the first of which is counted."""
        distances = Item("index", DISTANCES)
        pairs = near_duplicates_gflop(self.prompts, self.held_out, self.duplicates)
        gflop = index_gflop(factory, self.rows, self.dim, self.held_out)
        works = [
            [Work("corpus", "prompt vectors", self.prompts, "prompts", Item("prompts", ENCODER))],
            [Work("corpus", "near-duplicates", pairs, "GFLOP", distances)],
            [
                Work("render", f"render, {render.label}", self.images, "images", render.item)
                for render in self.renders
            ],
            *([training] for training in self.training),
            [
                Work("embed", f"embed, {item.subject}", self.images, "images", item)
                for item in (self.embed,)
                if item is not None
            ],
            [Work("index", f"index, {factory}", gflop, "GFLOP", distances)],
        ]
        return [alternatives for alternatives in works if alternatives]


def render_item(render: Mapping[str, Any], costs: Costs) -> RenderItem:
    """One image of the section `render:` of a config, given as plain settings."""
    stored = render.get("output_px")
    if render["renderer"] == "scenes":
        size = int(render["size_px"])
        item = Item("render", "scenes", float(size**2), "pixels", {"size_px": size})
        return RenderItem(item, f"scenes at {size} px", stored or size)
    diffusion = render.get("diffusion") or {}
    model, steps = str(diffusion.get("model")), int(diffusion.get("steps") or 1)
    guidance, name = diffusion.get("guidance"), costs.find_pipeline(model)
    guided = guidance is None or guidance > 1  # two UNet passes per step
    side, note = diffusion.get("height") or diffusion.get("width"), None
    if side is None:
        side = 1024 if name == "stable-diffusion-xl" else 512
        note = f"the config sets no image size: {side} px is assumed"
    work = None
    if name is not None:
        work = costs.pipelines[name].tflop(steps if guided else steps / 2, int(side))
    item = Item("render", name or model, work, "TFLOP", _flat(diffusion))
    label = f"{steps} steps at {side} px" + ("" if guided else ", no guidance")
    return RenderItem(item, label, int(stored or side), note)


def _flat(settings: Mapping[str, Any]) -> dict[str, Setting]:
    """Scalar settings by name; those of inner sections as `section.name`."""
    flat: dict[str, Setting] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{inner}": part for inner, part in _flat(value).items()}
        elif value is None or isinstance(value, str | int | float | bool):
            flat[name] = value
    return flat


def training_passes(
    frozen: float,
    lora: float,
    checkpointing: bool = False,
    head_only: bool = False,
    cached: bool = False,
) -> float:
    """Forward passes that a training step costs per image; 3 where every block is trained.

    `frozen` and `lora` are shares of the blocks. A block's backward pass costs one forward pass for
    the gradient of its input and one for that of its weights. Frozen blocks need neither, blocks
    with LoRA only the first. Checkpointing repeats the forward pass of the trained blocks. A cache
    holds the output of the frozen blocks. Epochs that train only the head run the tower forward.
    """
    trained, full = 1.0 - frozen, max(0.0, 1.0 - frozen - lora)
    forward = trained if cached else 1.0
    if head_only:
        return forward
    return forward + trained + full + (trained if checkpointing else 0.0)


def index_gflop(factory: str, rows: int, dim: int, queries: int = 0) -> float:
    """GFLOP of training an index, adding `rows` keys of `dim` numbers, and exact search.

    The exact search of `queries` against all rows is what recall is measured by. Scalar codes cost
    next to nothing.
    """
    total, parsed = 0.0, parse_factory(factory)
    for step in parsed.transforms:
        width = step.dim_after(dim)
        if step.kind == "PCA":
            total += 2 * min(rows, PCA_ROWS * dim) * dim**2 + 2 * rows * dim * width
        elif step.kind == "OPQ":
            sample = min(rows, OPQ_ROWS)
            total += OPQ_ROUNDS * sample * (4 * dim * width + 2 * 256 * width)
            total += 2 * rows * dim * width
        dim = width
    if parsed.lists:
        trained = min(rows, KMEANS_POINTS * parsed.lists)
        total += 2 * dim * parsed.lists * (KMEANS_ROUNDS * trained + rows)
    elif parsed.links:
        growth = math.log(max(rows, 2)) / math.log(100_000)
        total += 1e9 * HNSW_GFLOP * rows * dim * growth
    if words := parsed.codewords:
        total += 2 * dim * words * (CODEBOOK_ROUNDS * min(rows, 256 * words) + rows)
    return (total + 2 * queries * rows * dim) / 1e9


def near_duplicates_gflop(prompts: int, held_out: int, how: DuplicatesConfig | None) -> float:
    """GFLOP of comparing every prompt with earlier prompts, and held-out prompts with all.

    Up to `exact_rows` prompts the comparison is exact. Above, an index of cells is used: each
    prompt is compared with all cells twice (search and insertion) and with the codes of `probe`
    cells. With `how` None only the held-out prompts are compared.
    """
    pairs = float(held_out * prompts)
    if how is not None and prompts <= how.exact_rows:
        pairs += prompts**2 / 2
    elif how is not None:
        cells = cell_count(prompts)
        sample = min(prompts, max(cells * SAMPLES_PER_CELL, 10_000))
        codes = min(how.probe, cells) * prompts / 2 / cells
        pairs += ROUNDS * sample * cells + prompts * (2 * cells + codes / CODES_PER_DISTANCE)
    return 2 * PROMPT_DIM * pairs / 1e9
