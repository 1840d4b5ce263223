"""`unprompt invert`: its arguments and options."""

from pathlib import Path
from typing import Annotated

import typer

from unprompt.inversion.batch.formats import describe_formats
from unprompt.ui.cli.engine_options import (
    AddressOption,
    CpusOption,
    EngineOption,
    GpusOption,
    ShardOption,
    WorkersOption,
    read_engine,
)
from unprompt.ui.cli.options import BanOption, BundleOption, ComposeOption, JsonOption


def invert(
    paths: Annotated[
        list[str],
        typer.Argument(help="Pictures, folders, patterns, tars or parquet files with pictures."),
    ],
    bundle: BundleOption = None,
    as_json: JsonOption = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help=f"Write a results file. {describe_formats()}."),
    ] = None,
    submission: Annotated[
        Path | None,
        typer.Option("--submission", help="Write the vectors as a Kaggle csv of imgId_eId,val."),
    ] = None,
    raw_csv: Annotated[
        bool,
        typer.Option(
            "--raw-csv",
            help="Keep the texts of a .csv as they are: without ' before what a spreadsheet takes "
            "for a formula, and with their control characters.",
        ),
    ] = False,
    candidates: Annotated[
        int,
        typer.Option(
            "--top-k", "--candidates", "-n", min=1, help="Number of known prompts per picture."
        ),
    ] = 5,
    compose: ComposeOption = True,
    ban: BanOption = None,
    prefix: Annotated[str, typer.Option(help="Text before every prompt.")] = "",
    suffix: Annotated[str, typer.Option(help="Text after every prompt.")] = "",
    max_tokens: Annotated[
        int, typer.Option(min=3, help="Maximum length of a prompt in CLIP tokens.")
    ] = 77,
    negative: Annotated[
        bool, typer.Option("--negative", help="Add a negative prompt per picture.")
    ] = False,
    ignore_metadata: Annotated[
        bool,
        typer.Option("--ignore-metadata", help="Do not report the prompt stored in the file."),
    ] = False,
    k: Annotated[
        int | None, typer.Option(min=1, help="Number of neighbors; the tuned one if left out.")
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(
            min=1e-3, help="Softmax temperature of the neighbor weights; tuned if left out."
        ),
    ] = None,
    alpha: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Weight of the kNN estimate; the head has 1 - alpha. Tuned if left out.",
        ),
    ] = None,
    gpu_search: Annotated[
        bool,
        typer.Option(
            "--gpu-search", help="Search all keys exactly on GPUs; pays off for long batches."
        ),
    ] = False,
    engine: EngineOption = "local",
    workers: WorkersOption = None,
    cpus: CpusOption = None,
    gpus: GpusOption = None,
    ray_address: AddressOption = None,
    shard: ShardOption = None,
) -> None:
    """Recover the prompts of pictures.

    A picture that cannot be read is reported, the others are answered, and the exit code is 1.

    With --output or --submission, finished answers are kept in OUTPUT.parts until the file is
    complete. After a kill, the same command makes only the missing ones.

    \b
    Examples:
      unprompt invert picture.png
      unprompt invert renders/ --output prompts.csv
      unprompt invert 'renders/*.webp' --json | jq .prompt
      unprompt invert 00000.tar --output prompts.parquet --bundle runs/mine/bundle
      unprompt invert images/ --submission submission.csv
      unprompt invert renders/ --output prompts.parquet --engine ray --workers 8
      unprompt invert renders/ --output prompts.parquet --shard $SLURM_ARRAY_TASK_ID/8
      unprompt invert picture.png --ban artists --ban 'close-up' --prefix 'best quality'
    """
    from unprompt.index.base.terms import read_terms
    from unprompt.inversion.compose.settings import ComposeConfig
    from unprompt.inversion.query import Query
    from unprompt.ui.jobs.invert import InvertRequest, run_invert

    words = ComposeConfig(max_tokens, read_terms(ban or []), prefix, suffix)
    composed = compose and not (submission and not output)  # a submission holds no text
    request = InvertRequest(
        paths=tuple(paths),
        bundle=bundle,
        as_json=as_json,
        output=output,
        submission=submission,
        query=Query(candidates, composed, negative, not ignore_metadata, words=words),
        k=k,
        temperature=temperature,
        alpha=alpha,
        engine=read_engine(engine, workers, cpus, gpus, ray_address, shard),
        gpu_search=gpu_search,
        raw_csv=raw_csv,
    )
    raise typer.Exit(run_invert(request))
