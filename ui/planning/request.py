"""A preset or config file -> what `build.plan` needs to know of it; recipes: plan_recipe."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from unprompt.build.corpus.config import CorpusConfig
from unprompt.build.planning.choose_rate import Need
from unprompt.build.planning.rates import Rate, Reference
from unprompt.build.planning.request import PlanRequest
from unprompt.build.planning.work import PROMPT_DIM, RenderWork, render_work
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.settings import write_settings
from unprompt.index.encoders.protocols import EncoderConfig
from unprompt.inversion.train.recipes import load_recipe, recipe_names
from unprompt.ui.jobs.config import RunConfig, load_config, preset_names
from unprompt.ui.planning.recipe import recipe_request
from unprompt.ui.planning.training_work import encoder_need, tower_name, training_work

STARTER_NAME = "starter"


def plan_request(
    name: str, settings: Sequence[str], prompts: int | None, rates: Sequence[Rate], known: Reference
) -> PlanRequest:
    """What is to be made; raises ConfigError for a name that is neither config nor recipe."""
    if name in recipe_names():
        if settings:
            raise ConfigError(f"--set changes a config; {name} is a recipe")
        return recipe_request(name, load_recipe(name), prompts, rates, known)
    if Path(name).suffix not in (".yaml", ".yml") and name not in preset_names():
        raise ConfigError(
            f"{name!r} is neither a preset ({', '.join(preset_names())}), a recipe "
            f"({', '.join(recipe_names())}) nor a .yaml file"
        )
    return config_request(load_config(name, settings), prompts, known)


def config_request(config: RunConfig, prompts: int | None, known: Reference) -> PlanRequest:
    """A run of ours. Near-duplicates that the corpus will drop are counted: an upper bound."""
    build = config.build
    corpus, notes = build.corpus, []
    count, images = count_corpus(corpus, prompts)
    held_out = min(count, _validation(corpus, count) + corpus.test)
    train = count - held_out
    train = train if corpus.max_train is None else min(train, corpus.max_train)
    render = write_settings(build.render)
    if corpus.cosine_threshold is not None:
        notes.append("counted before near-duplicates are dropped: an upper bound")
    if images is None:
        images = train * build.render.seeds_per_prompt + held_out
        renders: tuple[RenderWork, ...] = (render_work(render, known),)
        notes += [work.note for work in renders if work.note]
    else:
        renders = ()
    rows = train if build.embed.keys == "text" else max(1, images - held_out)
    rows = rows if build.index.max_rows is None else min(rows, build.index.max_rows)
    encoder, dim = _encoder(config, known)
    training = []
    for section, title in ((config.train, "head"), (config.clip, "clip")):
        if section is not None:
            training += training_work(title, section, lambda _: train, known)
            notes += [
                f"stage {number + 1} of training learns from {stage.run}, counted as this corpus"
                for number, stage in enumerate(section.stages)
                if stage.run
            ]
    if any("cache" in entry.label for entry in training):
        notes.append("train/cache, the frozen blocks' output, is not counted on the disk")
    return PlanRequest(
        name=build.name,
        prompts=count,
        held_out=held_out,
        images=images,
        rows=max(1, rows),
        images_per_shard=build.render.images_per_shard,
        format=render["format"],
        quality=render["quality"],
        renders=renders,
        embed=None if corpus.source == "embeddings" else encoder,
        dim=dim,
        index=build.index,
        training=tuple(training),
        duplicates=None if corpus.cosine_threshold is None else corpus.duplicates,
        notes=tuple(notes),
    )


def count_corpus(corpus: CorpusConfig, prompts: int | None) -> tuple[int, int | None]:
    """(prompts, pictures that are there already or None).

    Raises ConfigError where they can only be counted by making the corpus.
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
        from unprompt.build.corpus.sources.prompts import read_prompts

        return read_prompts([Path(path) for path in corpus.paths], corpus.column).table.height, None
    raise ConfigError(
        f"how many prompts corpus.source {source} gives is known only once they are collected; "
        "say how many: --prompts 100000"
    )


def _validation(corpus: CorpusConfig, prompts: int) -> int:
    """Held out for validation: so many, or one of the folds."""
    if corpus.fold is None or corpus.folds is None:
        return corpus.validation
    return (prompts - corpus.test) // corpus.folds.count


def encoder_of(config: RunConfig) -> EncoderConfig:
    """The tower that embeds: a trained one is as fast as the one it came from."""
    encoder = config.build.encoder
    if encoder.model == STARTER_NAME:
        from unprompt.index.exported.export import read_description
        from unprompt.inversion.inverter import STARTER

        encoder = read_description(STARTER / "encoder")
    if config.train is None:
        return encoder
    tower = config.train.tower
    sizes = [stage.image_size for stage in config.train.stages if stage.image_size is not None]
    return replace(
        encoder,
        model=tower.model,
        pretrained=tower.pretrained,
        image_size=sizes[-1] if sizes else tower.image_size,
    )


def _encoder(config: RunConfig, known: Reference) -> tuple[Need, int]:
    """The tower that embeds, and the length of the keys."""
    encoder = encoder_of(config)
    if encoder.output == "prediction":
        return encoder_need(encoder, known), PROMPT_DIM
    tower = known.towers.get(tower_name(encoder.model))
    if tower is None or encoder.output not in tower.dims:
        raise ConfigError(
            f"the length of the vectors that {encoder.model} gives as {encoder.output} is not "
            f"known beforehand; known are {', '.join(known.towers)}"
        )
    return encoder_need(encoder, known), tower.dims[encoder.output]
