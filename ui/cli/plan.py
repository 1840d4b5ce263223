"""`unprompt plan` and `unprompt bench`: their arguments and options."""

from pathlib import Path
from typing import Annotated

import typer

from unprompt.ui.cli.options import JsonOption, SetOption

RatesOption = Annotated[
    Path | None,
    typer.Option("--rates", help="Rates file of `unprompt bench`; this machine's by default."),
]


def plan(
    config: Annotated[str, typer.Argument(help="Preset, YAML file, or recipe such as kaggle-1st.")],
    gpus: Annotated[int, typer.Option(min=1, help="Number of GPUs.")] = 1,
    gpu: Annotated[
        str | None, typer.Option("--gpu", help="GPU kind to plan for, e.g. A100.")
    ] = None,
    price: Annotated[
        float | None, typer.Option(min=0.0, help="Price per GPU-hour, e.g. 2.0.")
    ] = None,
    cores: Annotated[
        int,
        typer.Option(min=0, help="CPU cores; 0: as the measured machine, or this one."),
    ] = 0,
    prompts: Annotated[
        int | None, typer.Option(help="Number of prompts, where it is unknown before collecting.")
    ] = None,
    first: Annotated[int, typer.Option(min=1, help="Image shards in the first index.")] = 20,
    rates: RatesOption = None,
    settings: SetOption = None,
    as_json: JsonOption = False,
    plot: Annotated[Path | None, typer.Option(help="PNG file to draw the plan to.")] = None,
) -> None:
    """Estimate the cost of a corpus: GPU-days, money, disk, memory, time to a first index.

    Every line names its rate: measured by `unprompt bench`, or published.

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
        typer.Argument(help="render, embed, prompts, search, train; all by default."),
    ] = None,
    config: Annotated[
        str | None,
        typer.Option("--config", help="Preset or YAML file of the components."),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda or cuda:1; the first GPU, if any, by default.")
    ] = None,
    images: Annotated[int, typer.Option(min=1, help="Images per round.")] = 64,
    repeats: Annotated[int, typer.Option(min=1, help="Rounds; the median is taken.")] = 3,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Rates file to write; this machine's by default."),
    ] = None,
    settings: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure this device with the real renderer, towers, index and training step.

    The rates file is what `unprompt plan` reads. Rates of other parts in it are kept.

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
