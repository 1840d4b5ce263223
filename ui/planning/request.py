"""A preset, config file or winner's recipe -> the counts and work that a plan is made from."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from unprompt.build.corpus.config import CorpusConfig
from unprompt.build.corpus.duplicates.config import DuplicatesConfig
from unprompt.build.planning.rates import Costs
from unprompt.build.planning.work import PROMPT_DIM, PlanRequest, RenderItem, render_item
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.settings import write_settings
from unprompt.index.encoders.protocols import EncoderConfig
from unprompt.index.search.factory import IndexConfig
from unprompt.inversion.train.config import StageConfig, TrainConfig
from unprompt.inversion.train.recipes import load_recipe, recipe_names
from unprompt.ui.jobs.config import RunConfig, load_config, preset_names
from unprompt.ui.planning.items import encoder_item, tower_item, tower_name, training_work

STARTER_NAME = "starter"
OUR_STEPS, OUR_SIDE_PX, OUR_SHARD = 16, 512, 500  # how this project renders a recipe


def plan_request(
    name: str, settings: Sequence[str], prompts: int | None, costs: Costs
) -> PlanRequest:
    """Counts of a config or recipe; raises ConfigError for a name that is neither."""
    if name in recipe_names():
        if settings:
            raise ConfigError(f"--set changes a config, but {name} is a recipe")
        return recipe_request(name, prompts, costs)
    if Path(name).suffix not in (".yaml", ".yml") and name not in preset_names():
        raise ConfigError(
            f"{name!r} is neither a preset ({', '.join(preset_names())}), a recipe "
            f"({', '.join(recipe_names())}) nor a .yaml file"
        )
    return config_request(load_config(name, settings), prompts, costs)


def config_request(config: RunConfig, prompts: int | None, costs: Costs) -> PlanRequest:
    """Counts of a run, before near-duplicates are dropped: an upper bound."""
    build = config.build
    corpus, notes = build.corpus, []
    count, images = count_corpus(corpus, prompts)
    held_out = corpus.validation + corpus.test
    if corpus.fold is not None and corpus.folds is not None:
        held_out = (count - corpus.test) // corpus.folds.count + corpus.test
    held_out = min(count, held_out)
    train = min(count - held_out, corpus.max_train or count)
    if corpus.cosine_threshold is not None:
        notes.append("counts are taken before near-duplicates are dropped: an upper bound")
    renders: list[RenderItem] = []
    if images is None:
        images = train * build.render.seeds_per_prompt + held_out
        renders = [render_item(write_settings(build.render), costs)]
        notes += [render.note for render in renders if render.note]
    rows = train if build.embed.keys == "text" else max(1, images - held_out)
    training = []
    for section, title in ((config.train, "head"), (config.clip, "clip")):
        if section is None:
            continue
        training += training_work(title, section, lambda _: train, costs)
        notes += [
            f"stage {number} of training reads {stage.run}, counted as large as this corpus"
            for number, stage in enumerate(section.stages, 1)
            if stage.run
        ]
    if any("cache" in work.label for work in training):
        notes.append("disk does not include train/cache, the output of the frozen blocks")
    encoder = embedding_tower(config)
    return PlanRequest(
        name=build.name,
        prompts=count,
        held_out=held_out,
        images=images,
        rows=max(1, min(rows, build.index.max_rows or rows)),
        images_per_shard=build.render.images_per_shard,
        format=build.render.format,
        quality=build.render.quality,
        renders=tuple(renders),
        embed=None if corpus.source == "embeddings" else encoder_item(encoder, costs),
        dim=_key_dim(encoder, costs),
        index=build.index,
        training=tuple(training),
        duplicates=None if corpus.cosine_threshold is None else corpus.duplicates,
        notes=tuple(notes),
    )


def count_corpus(corpus: CorpusConfig, prompts: int | None) -> tuple[int, int | None]:
    """(prompts, images that exist or None where they are rendered).

    Raises ConfigError where the count is known only after collecting.
    """
    source = corpus.source
    if source == "shards":
        from unprompt.index.images.shards import read_rows

        rows = read_rows(Path(corpus.paths[0]))
        return prompts or rows["prompt"].n_unique(), rows.height
    if prompts is not None:
        return prompts, prompts if corpus.has_pictures else None
    if source == "scenes":
        return corpus.count, None
    if source == "files":
        from unprompt.build.corpus.sources.prompt_files import read_prompts

        return read_prompts([Path(path) for path in corpus.paths], corpus.column).table.height, None
    raise ConfigError(
        f"corpus.source {source} has no prompt count before it is collected; "
        "give one: --prompts 100000"
    )


def embedding_tower(config: RunConfig) -> EncoderConfig:
    """The tower that embeds; a trained tower is as fast as the one it starts from."""
    encoder = config.build.encoder
    if encoder.model == STARTER_NAME:
        from unprompt.index.exported.export import read_description
        from unprompt.inversion.inverter import STARTER

        encoder = read_description(STARTER / "encoder")
    if config.train is None:
        return encoder
    tower, size = config.train.tower, _final_size(config.train)
    return replace(encoder, model=tower.model, pretrained=tower.pretrained, image_size=size)


def _final_size(train: TrainConfig) -> int | None:
    """Input size of the trained tower; None for the tower's own."""
    sizes = [stage.image_size for stage in train.stages if stage.image_size is not None]
    return sizes[-1] if sizes else train.tower.image_size


def _key_dim(encoder: EncoderConfig, costs: Costs) -> int:
    """Dimension of the index keys; raises ConfigError where it is unknown."""
    if encoder.output == "prediction":
        return PROMPT_DIM
    tower = costs.towers.get(tower_name(encoder.model))
    if tower is None or encoder.output not in tower.dims:
        raise ConfigError(
            f"no embedding dimension is known for encoder.model {encoder.model} with "
            f"encoder.output {encoder.output}; known models are {', '.join(costs.towers)}"
        )
    return tower.dims[encoder.output]


def recipe_request(name: str, prompts: int | None, costs: Costs) -> PlanRequest:
    """Counts of a winner's data and models, stored and indexed as this project does it."""
    recipe = load_recipe(name)
    unknown = [source.name for source in recipe.data if source.prompts is None]
    if unknown:
        raise ConfigError(f"{name} states no prompt count for {', '.join(unknown)}")
    stated = [source.prompts or 0 for source in recipe.data]
    share = 1.0 if prompts is None else prompts / sum(stated)
    data = [
        (source, round(count * share)) for source, count in zip(recipe.data, stated, strict=True)
    ]
    images = round(sum(count * source.images_per_prompt for source, count in data))

    def stage_prompts(stage: StageConfig) -> int:
        return sum(count for source, count in data if not source.runs or stage.run in source.runs)

    def diffusion(steps: int, side_px: int, recipe_only: bool) -> RenderItem:
        section = {"model": "stable-diffusion-2", "steps": steps}
        section |= {"height": side_px, "width": side_px}
        found = render_item({"renderer": "diffusers", "diffusion": section}, costs)
        return replace(found, item=replace(found.item, recipe=name, recipe_only=recipe_only))

    renders = [diffusion(OUR_STEPS, OUR_SIDE_PX, False)]
    own = next((rate.settings for rate in costs.rates if rate.recipe == name), None)
    if own is not None:
        renders.insert(0, diffusion(int(str(own["steps"])), int(str(own["size_px"])), True))
    first = recipe.members[0]
    notes = [
        f"{recipe.title}: {recipe.rendering}",
        "disk, embedding and index follow this project's formats; the index keys are the vectors "
        f"that {first.name} predicts",
        *([] if own else [f"{name} states no rendering time: our settings are counted"]),
    ]
    return PlanRequest(
        name=name,
        prompts=sum(count for _, count in data),
        held_out=0,
        images=images,
        rows=images,
        images_per_shard=OUR_SHARD,
        format="jpg",
        quality=95,
        renders=tuple(renders),
        embed=tower_item(first.train.tower.model, _final_size(first.train), costs),
        dim=PROMPT_DIM,
        index=IndexConfig(),
        training=tuple(
            work
            for member in recipe.members
            for work in training_work(member.name, member.train, stage_prompts, costs)
        ),
        duplicates=DuplicatesConfig(),
        notes=tuple(notes),
    )
