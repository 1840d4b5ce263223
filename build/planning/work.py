"""Settings of a stage -> how much work one item of it is, in the unit that rates are scaled by.

Images of a pipeline: TFLOP. Scenes: pixels. Towers: GFLOP. Index and near-duplicates: GFLOP.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from unprompt.build.corpus.duplicates.config import DuplicatesConfig
from unprompt.build.corpus.duplicates.growing_index import POINTS_EACH, ROUNDS, cell_count
from unprompt.build.planning.rates import Rate, Reference, Setting
from unprompt.index.search.training import LIST_ROUNDS, LIST_SAMPLE

PROMPT_DIM = 384
KMEANS_ROUNDS, KMEANS_POINTS = LIST_ROUNDS, LIST_SAMPLE  # rounds, training rows a list
CODEBOOK_ROUNDS = 25
PCA_ROWS = 1000  # training rows a dimension
OPQ_ROUNDS, OPQ_ROWS = 50, 65_536
CODES_A_DISTANCE = 10  # fast-scan codes are looked through in the time of one exact distance
# 34 CPU-seconds for 100,000 rows of 512 numbers (HNSW32, measured by this project), in GFLOP of
# exact distances at their rate, a row and number; it grows with the logarithm of the rows.
HNSW_GFLOP = 34 * 140 / (100_000 * 512)


@dataclass(frozen=True)
class RenderWork:
    """One picture to draw."""

    subject: str  # scenes, a pipeline that is known, or the model as it is named
    kind: str  # scenes | diffusion
    size_px: int  # drawn
    stored_px: int
    work: float | None  # None where the pipeline is not known
    what: str  # for people
    settings: Mapping[str, Setting] = field(default_factory=dict)  # all that a rate depends on
    note: str | None = None
    own_rate: bool = False  # a recipe's own settings, of interest by its own rate alone


def render_work(render: Mapping[str, Any], known: Reference) -> RenderWork:
    """The work of one picture of the section `render:` of a config, as plain settings."""
    stored = render.get("output_px")
    if render["renderer"] == "scenes":
        size = int(render["size_px"])
        what = f"scenes at {size} px"
        settings = {"size_px": size}
        return RenderWork("scenes", "scenes", size, stored or size, float(size**2), what, settings)
    diffusion = dict(render.get("diffusion") or {})
    model, steps = str(diffusion.get("model")), int(diffusion.get("steps") or 1)
    guidance, name = diffusion.get("guidance"), find_pipeline(model, known)
    passes = 1 if guidance is not None and guidance <= 1 else 2
    side = diffusion.get("height") or diffusion.get("width")
    note = None
    if side is None:
        side = 1024 if name == "stable-diffusion-xl" else 512
        note = f"the picture's size is the model's own; {side} px are assumed"
    work = None
    if name is not None:
        work = known.pipelines[name].tflop(steps * passes / 2, int(side))
    return RenderWork(
        name or model,
        "diffusion",
        int(side),
        int(stored or side),
        work,
        f"{steps} steps at {side} px" + ("" if passes == 2 else ", no guidance"),
        _flat(diffusion),
        note,
    )


def _flat(settings: Mapping[str, Any]) -> dict[str, Setting]:
    """Scalars by name; those of inner sections under `section.name`."""
    flat: dict[str, Setting] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{inner}": part for inner, part in _flat(value).items()}
        elif value is None or isinstance(value, str | int | float | bool):
            flat[name] = value
    return flat


def find_pipeline(model: str, known: Reference) -> str | None:
    """The pipeline whose arithmetic a model of this name has."""
    lowered = model.lower()
    for name, pipeline in known.pipelines.items():
        if any(word in lowered for word in pipeline.words):
            return name
    return None


def work_of(rate: Rate, known: Reference) -> float | None:
    """What one item of a rate was, in the same unit; None where it cannot be told."""
    if rate.work is not None:
        return rate.work
    settings = rate.settings
    size = settings.get("size_px")
    if rate.stage == "render" and rate.subject == "scenes":
        return float(int(str(size)) ** 2)
    if rate.stage == "render" and rate.subject in known.pipelines and "steps" in settings:
        steps, once = float(str(settings["steps"])), bool(settings.get("once", True))
        return known.pipelines[rate.subject].tflop(steps, int(str(size)), once)
    if rate.stage == "embed" and rate.subject in known.towers:
        return known.towers[rate.subject].forward_gflop(int(str(size)) if size else None)
    return None


def training_passes(
    frozen: float,
    lora: float,
    checkpointing: bool = False,
    head_only: bool = False,
    cached: bool = False,
) -> float:
    """Forward passes that a training step of one image is worth; training everything is 3.

    The gradient of what a block gives costs a forward pass of it, that of its weights another.
    Frozen blocks need neither, blocks with LoRA only the first; checkpointing runs what is trained
    forward once more. LP-FT reads the tower alone.
    """
    trained, full = 1.0 - frozen, max(0.0, 1.0 - frozen - lora)
    forward = trained if cached else 1.0
    if head_only:
        return forward
    return forward + trained + full + (trained if checkpointing else 0.0)


def index_gflop(factory: str, rows: int, dim: int, queries: int = 0) -> float:
    """Arithmetic of training, filling and measuring an index; exact codes cost next to nothing."""
    total = 0.0
    for part in re.split(r",(?![^()]*\))", factory):
        if match := re.fullmatch(r"PCAW?R?(\d+)", part):
            total += 2 * min(rows, PCA_ROWS * dim) * dim**2 + 2 * rows * dim * int(match[1])
            dim = int(match[1])
        elif match := re.fullmatch(r"OPQ\d+(?:_(\d+))?", part):
            kept = int(match[1] or dim)
            sample = min(rows, OPQ_ROWS)
            total += OPQ_ROUNDS * sample * (4 * dim * kept + 2 * 256 * kept) + 2 * rows * dim * kept
            dim = kept
        elif match := re.match(r"IVF(\d+)", part):
            lists = int(match[1])
            trained = min(rows, KMEANS_POINTS * lists)
            total += 2 * dim * lists * (KMEANS_ROUNDS * trained + rows)
        elif match := re.match(r"PQ\d+(?:x(\d+))?", part):
            words = 2 ** int(match[1] or 8)
            total += 2 * dim * words * (CODEBOOK_ROUNDS * min(rows, 256 * words) + rows)
        elif part.startswith("HNSW"):
            growth = math.log(max(rows, 2)) / math.log(100_000)
            total += 1e9 * HNSW_GFLOP * rows * dim * growth
    return (total + 2 * queries * rows * dim) / 1e9


def near_duplicates_gflop(prompts: int, held_out: int, how: DuplicatesConfig | None) -> float:
    """Every prompt against those before it (none: not at all), and the held-out ones against all.

    Above `exact_rows` each is compared with all cells of an index, to be looked for and again to
    be added, and with the codes of the cells it looks into.
    """
    pairs = float(held_out * prompts)
    if how is not None and prompts <= how.exact_rows:
        pairs += prompts**2 / 2
    elif how is not None:
        cells = cell_count(prompts)
        sample = min(prompts, max(cells * POINTS_EACH, 10_000))
        codes = min(how.probe, cells) * prompts / 2 / cells
        pairs += ROUNDS * sample * cells + prompts * (2 * cells + codes / CODES_A_DISTANCE)
    return 2 * PROMPT_DIM * pairs / 1e9
