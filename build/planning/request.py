"""What is to be made, and on what: the counts of a build -> its pieces of work, stage by stage."""

from dataclasses import dataclass

from unprompt.build.corpus.duplicates.config import DuplicatesConfig
from unprompt.build.planning.choose_rate import Need
from unprompt.build.planning.work import RenderWork, index_gflop, near_duplicates_gflop
from unprompt.index.search.factory import IndexConfig

ENCODER, DISTANCES = "all-MiniLM-L6-v2", "exact distances"


@dataclass(frozen=True)
class Training:
    """One stage of one member's training."""

    label: str
    images: int  # over all epochs
    need: Need


@dataclass(frozen=True)
class PlanRequest:
    """What is to be made."""

    name: str
    prompts: int
    held_out: int
    images: int
    rows: int  # of the index
    images_per_shard: int
    format: str
    quality: int | str
    renders: tuple[RenderWork, ...]  # the first is counted; none: the pictures are there
    embed: Need | None  # none: the vectors are there
    dim: int  # of the index' keys, before its own transforms
    index: IndexConfig
    training: tuple[Training, ...] = ()
    duplicates: DuplicatesConfig | None = None  # none: near-duplicates stay
    recipe: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def shards(self) -> int:
        """Shards of pictures."""
        return -(-self.images // self.images_per_shard)


@dataclass(frozen=True)
class PlanOptions:
    """On what it is made."""

    cores: int = 1  # of the machine that does what needs no GPU
    gpus: int = 1
    gpu: str | None = None
    price: float | None = None  # money for a GPU-hour
    first: int = 20  # shards that go into the first index


@dataclass(frozen=True)
class Piece:
    """Items of one kind to be worked through."""

    stage: str
    label: str
    items: float
    unit: str
    need: Need
    own_rate: bool = False  # only a recipe's own rate is of interest


def pieces_of(request: PlanRequest, factory: str) -> list[list[Piece]]:
    """All work in order; several pieces are one piece with other settings."""
    distances = Need("index", DISTANCES)
    pairs = near_duplicates_gflop(request.prompts, request.held_out, request.duplicates)
    gflop = index_gflop(factory, request.rows, request.dim, request.held_out)
    pieces = [
        [Piece("corpus", "prompt vectors", request.prompts, "prompts", Need("prompts", ENCODER))],
        [Piece("corpus", "near-duplicates", pairs, "GFLOP", distances)],
        [_render_piece(request, work) for work in request.renders],
        *([Piece("train", t.label, t.images, "images", t.need)] for t in request.training),
        [
            Piece("embed", f"embed, {tower.subject}", request.images, "images", tower)
            for tower in (request.embed,)
            if tower is not None
        ],
        [Piece("index", f"index, {factory}", gflop, "GFLOP", distances)],
    ]
    return [variants for variants in pieces if variants]


def _render_piece(request: PlanRequest, work: RenderWork) -> Piece:
    need = Need(
        "render", work.subject, work.work, "TFLOP" if work.kind == "diffusion" else "pixels",
        work.settings, recipe=request.recipe,
    )  # fmt: skip
    return Piece("render", f"render, {work.what}", request.images, "images", need, work.own_rate)
