"""A winner's recipe -> what `build.plan` needs to know of it: his data and models, our formats."""

from collections.abc import Sequence
from dataclasses import replace

from unprompt.build.corpus.duplicates.config import DuplicatesConfig
from unprompt.build.planning.rates import Rate, Reference
from unprompt.build.planning.request import PlanRequest
from unprompt.build.planning.work import PROMPT_DIM, RenderWork, render_work
from unprompt.index.base.errors import ConfigError
from unprompt.index.search.factory import IndexConfig
from unprompt.inversion.train.config import StageConfig
from unprompt.inversion.train.recipes import DataSource, Recipe
from unprompt.ui.planning.training_work import embed_need, training_work

OUR_STEPS, OUR_SIDE_PX, OUR_SHARD = 16, 512, 500


def recipe_request(
    name: str, recipe: Recipe, prompts: int | None, rates: Sequence[Rate], known: Reference
) -> PlanRequest:
    """A winner's data and models, kept in our formats and put into an index of ours."""
    silent = [source.name for source in recipe.data if source.prompts is None]
    if silent:
        raise ConfigError(f"{name} does not state how many prompts {', '.join(silent)} has")
    share = 1.0 if prompts is None else prompts / sum(_prompts(s) for s in recipe.data)
    data = [replace(s, prompts=round(_prompts(s) * share)) for s in recipe.data]
    count = sum(_prompts(source) for source in data)
    images = round(sum(_prompts(source) * source.images_per_prompt for source in data))
    ours = _diffusion(OUR_STEPS, OUR_SIDE_PX, known)
    own = [rate for rate in rates if rate.recipe == name]
    theirs = [
        replace(
            _diffusion(int(str(r.settings["steps"])), int(str(r.settings["size_px"])), known),
            own_rate=True,
        )
        for r in own
    ]
    training = [
        work
        for member in recipe.members
        for work in training_work(
            member.name, member.train, lambda stage: _stage_prompts(data, stage), known
        )
    ]
    tower = recipe.members[0].train.tower
    sizes = [s.image_size for s in recipe.members[0].train.stages if s.image_size]
    return PlanRequest(
        name=name,
        prompts=count,
        held_out=0,
        images=images,
        rows=images,
        images_per_shard=OUR_SHARD,
        format="jpg",
        quality=95,
        renders=(*theirs[:1], ours),
        embed=embed_need(tower.model, sizes[-1] if sizes else tower.image_size, known),
        dim=PROMPT_DIM,
        index=IndexConfig(),
        training=tuple(training),
        duplicates=DuplicatesConfig(),
        recipe=name,
        notes=(
            f"{recipe.title}: {recipe.rendering}",
            "disk, embedding and index are those of our formats, the index' keys the vectors that "
            f"{recipe.members[0].name} predicts",
            *([] if own else [f"{name} states no seconds an image: rendering is ours"]),
        ),
    )


def _diffusion(steps: int, side_px: int, known: Reference) -> RenderWork:
    section = {"model": "stable-diffusion-2", "steps": steps, "height": side_px, "width": side_px}
    return render_work({"renderer": "diffusers", "diffusion": section}, known)


def _prompts(source: DataSource) -> int:
    return source.prompts or 0


def _stage_prompts(data: Sequence[DataSource], stage: StageConfig) -> int:
    return sum(_prompts(s) for s in data if not s.runs or stage.run in s.runs)
