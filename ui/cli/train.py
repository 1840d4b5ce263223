"""`unprompt train ...`: the commands that train towers and heads."""

from pathlib import Path
from typing import Annotated

import typer

from unprompt.ui.cli.options import ConfigArgument, JsonOption, OutputRun, SetOption

train_app = typer.Typer(
    name="train",
    help="Train image towers and heads on rendered prompts.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

ResumeOption = Annotated[
    str,
    typer.Option(
        "--resume", help="latest: continue; none: start again; or the name of a checkpoint."
    ),
]


@train_app.command("head")
def train_head(
    config: ConfigArgument,
    output: OutputRun = None,
    settings: SetOption = None,
    resume: ResumeOption = "latest",
) -> None:
    """Train an image tower and its head to predict prompt vectors.

    Makes missing corpus and pictures first. Writes RUN/train: config.yaml,
    metrics.jsonl, checkpoints/, tensorboard/, curves.png, and export/ with the best weights.
    `unprompt build` with the same config then builds the bundle from them.

    \b
    Examples:
      unprompt train head starter
      unprompt train head my.yaml --set train.stages='[{epochs: 8}]' --output runs/mine
      unprompt train head my.yaml --resume none
      accelerate launch -m unprompt.ui.cli.main train head my.yaml                  # several GPUs
      torchrun --nproc_per_node 2 -m unprompt.ui.cli.main train head my.yaml        # CPU processes
    """
    _train(config, output, settings or [], resume, "train")


@train_app.command("pairs")
def train_pairs(
    pairs: Annotated[list[Path], typer.Argument(help="Folders or tables of labelled pairs.")],
    bank: Annotated[Path, typer.Option(help="Bank of prompts, by `unprompt index prompts`.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Bundle folder to write.")],
    extra: Annotated[
        list[Path] | None, typer.Option(help="Pairs that only support the fit, such as scenes.")
    ] = None,
    config: Annotated[
        str | None, typer.Option(help="The preset `real`, or a YAML file of settings.")
    ] = None,
    settings: SetOption = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most so many pairs of each folder.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Fit a world on pictures of real generators with their prompts; minutes, without a GPU.

    Frozen offline towers, a kernel regression on the features of each, and a bank of prompts in
    place of an index of pictures. Every source (collection) of the pairs is left out once: the
    printed scores, the blend and the calibration are of pictures of sources that were not seen.

    \b
    Examples:
      unprompt make bank -o bank.parquet && unprompt index prompts bank.parquet -o bank
      unprompt train pairs my-shards/ --bank bank -o bundles/mine
      unprompt train pairs generated/ photos/ --bank bank --config real -o bundles/real
    """
    from unprompt.ui.jobs.train.pairs import PairFolders, load_pairs_config
    from unprompt.ui.jobs.train.pairs import train_pairs as run

    chosen = load_pairs_config(config, settings or [])
    run(PairFolders(pairs, extra or [], bank), output, chosen, limit, as_json)


@train_app.command("clip")
def train_clip(
    config: ConfigArgument,
    output: OutputRun = None,
    settings: SetOption = None,
    resume: ResumeOption = "latest",
) -> None:
    """Fine-tune a CLIP on pictures and their prompts with a contrastive loss.

    Reads the section `clip:` of the config. Writes RUN/clip with the files of RUN/train. Its
    export/ is an open_clip folder; to use it, set `encoder.model: local-dir:RUN/clip/export`.

    \b
    Examples:
      unprompt train clip my.yaml --set clip.model=efficientnet-lite2
      unprompt train clip my.yaml --set clip.loss=siglip --set clip.lock_text=false
    """
    _train(config, output, settings or [], resume, "clip")


TowerOption = Annotated[
    str | None,
    typer.Option(
        help="The tower before training, as its config named it; needed for a folder, a file or a "
        "model of a hub, which the files of a run alone do not make trusted."
    ),
]


@train_app.command("export")
def train_export(
    run: Annotated[Path, typer.Argument(help="A run folder that was trained.")],
    output: Annotated[Path, typer.Argument(help="Folder to write.")],
    tower: TowerOption = None,
) -> None:
    """Write a trained tower with merged adapters as a CLIP; open_clip loads it as local-dir:OUTPUT.

    \b
    Example:
      unprompt train export runs/mine models/mine
    """
    from unprompt.ui.jobs.train.commands import export_clip

    export_clip(run, output, tower)


@train_app.command("average")
def train_average(
    first: Annotated[Path, typer.Argument(help="A trained run.")],
    output: Annotated[Path, typer.Argument(help="Folder to write.")],
    second: Annotated[
        Path | None, typer.Option("--with", help="Another run; default: the tower before training.")
    ] = None,
    share: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Weight of the second run, or of the trained tower."),
    ] = 0.5,
    tower: TowerOption = None,
) -> None:
    """Average the weights of two trained runs, or of one before and after training (WiSE-FT).

    \b
    Examples:
      unprompt train average runs/mine averaged --share 0.7
      unprompt train average runs/mine averaged --with runs/other
    """
    from unprompt.ui.jobs.train.commands import average

    average(first, second, share, output, tower)


@train_app.command("recipes")
def train_recipes(
    name: Annotated[str | None, typer.Argument(help="A recipe; default: list all.")] = None,
    member: Annotated[
        str | None, typer.Option(help="Print only the section of this member.")
    ] = None,
) -> None:
    """List the recipes of the competition winners, or print one as YAML.

    \b
    Examples:
      unprompt train recipes
      unprompt train recipes kaggle-1st
      unprompt train recipes kaggle-1st --member vit-l-336 >> my.yaml
    """
    from unprompt.ui.jobs.train.commands import show_recipes

    show_recipes(name, member)


def _train(config: str, output: Path | None, settings: list[str], resume: str, kind: str) -> None:
    from unprompt.index.base.progress import SILENT
    from unprompt.ui.jobs.build import run_training
    from unprompt.ui.jobs.progress import choose_progress
    from unprompt.ui.jobs.train.run import is_main_process

    progress = choose_progress() if is_main_process() else SILENT
    export = run_training(config, output, settings, resume, kind, progress)
    if is_main_process():
        print(export)
