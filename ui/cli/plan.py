"""`unprompt plan` and `unprompt bench`: their arguments and options."""

from pathlib import Path
from typing import Annotated

import typer

from unprompt.ui.cli.options import JsonOption, SetOption

RatesOption = Annotated[
    Path | None,
    typer.Option("--rates", help="Rates file of `unprompt bench`; the kept one if left out."),
]


def plan(
    config: Annotated[
        str, typer.Argument(help="A preset's name, a YAML file, or a recipe such as kaggle-1st.")
    ],
    gpus: Annotated[int, typer.Option(min=1, help="GPUs that work at once.")] = 1,
    gpu: Annotated[
        str | None, typer.Option("--gpu", help="Kind of GPU to count with, e.g. A100.")
    ] = None,
    price: Annotated[
        float | None, typer.Option(min=0.0, help="Money for a GPU-hour, e.g. 2.0.")
    ] = None,
    cores: Annotated[
        int, typer.Option(min=0, help="CPU cores; 0 for those of the measured or this machine.")
    ] = 0,
    prompts: Annotated[
        int | None, typer.Option(help="Prompts of the corpus, where they cannot be counted.")
    ] = None,
    first: Annotated[
        int, typer.Option(min=1, help="Image shards that go into the first usable index.")
    ] = 20,
    rates: RatesOption = None,
    settings: SetOption = None,
    as_json: JsonOption = False,
    plot: Annotated[Path | None, typer.Option(help="Draw GPU-days and disk as a picture.")] = None,
) -> None:
    """Say beforehand what a corpus costs: GPU-days, money, disk, memory, time to a first index.

    Every line names the rate it used: measured here by `unprompt bench`, or published.

    \b
    Examples:
      unprompt plan kaggle-1st --price 2.0 --gpus 8
      unprompt plan my-corpus.yaml --gpu A100
      unprompt plan starter --json
    """
    from unprompt.build.planning.plan import PlanOptions
    from unprompt.ui.planning.plan import run_plan

    options = PlanOptions(cores, gpus, gpu, price, first)
    run_plan(config, settings or [], prompts, options, rates, as_json, plot)


def bench(
    parts: Annotated[
        list[str] | None,
        typer.Argument(help="render, embed, prompts, search, train; all if left out."),
    ] = None,
    config: Annotated[
        str | None,
        typer.Option("--config", help="Preset or YAML whose renderer, tower, training to measure."),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda or cuda:1; the first GPU, if any, if left out.")
    ] = None,
    images: Annotated[int, typer.Option(min=1, help="Pictures a round.")] = 64,
    repeats: Annotated[int, typer.Option(min=1, help="Rounds; the median counts.")] = 3,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Rates file; the kept one if left out.")
    ] = None,
    settings: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure this device with the real renderer, towers, index and training step.

    Writes a rates file that `unprompt plan` counts with. Rates of other parts in it are kept.

    \b
    Examples:
      unprompt bench
      unprompt bench render --config my-sd2.yaml --images 32
      unprompt bench embed train --config my.yaml --device cuda:1 -o rates.json
    """
    from unprompt.ui.planning.bench import run_bench
    from unprompt.ui.planning.bench_parts import BenchOptions

    options = BenchOptions(device, images, repeats)
    run_bench(parts or [], config, settings or [], options, output, as_json)
