"""`unprompt train ...`: the commands of training."""

from typing import Annotated

import typer

from unprompt.ui.cli_options import ConfigArgument, OutputRun, SetOption

train_app = typer.Typer(
    name="train",
    help="Train image towers and heads on rendered prompts.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

ResumeOption = Annotated[
    str,
    typer.Option(
        "--resume", help="latest goes on where a run stopped, none starts anew, or a checkpoint."
    ),
]


@train_app.command("head")
def train_head(
    config: ConfigArgument,
    output: OutputRun = None,
    settings: SetOption = None,
    resume: ResumeOption = "latest",
) -> None:
    """Train an image tower and its head to predict the prompt's vector.

    Makes the corpus and the pictures first where they are missing. Writes RUN/train: config.yaml,
    metrics.jsonl, checkpoints/, tensorboard/, curves.png, and export/ with the best weights.
    `unprompt build` with the same config then builds the bundle from them.

    \b
    Examples:
      unprompt train head starter
      unprompt train head my.yaml --set train.stages='[{epochs: 8}]' --output runs/mine
      unprompt train head my.yaml --resume none
      accelerate launch -m unprompt.ui.cli train head my.yaml                  # several GPUs
      torchrun --nproc_per_node 2 -m unprompt.ui.cli train head my.yaml        # CPU processes
    """
    from unprompt.ui.train_commands import run_train_head

    run_train_head(config, output, settings or [], resume)
