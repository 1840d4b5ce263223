"""`unprompt invert`: its arguments and options."""

from pathlib import Path
from typing import Annotated

import typer

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
    paths: Annotated[list[str], typer.Argument(help="Pictures, folders, patterns or tars.")],
    bundle: BundleOption = None,
    as_json: JsonOption = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write x.parquet, x.csv or x.jsonl.")
    ] = None,
    submission: Annotated[
        Path | None, typer.Option("--submission", help="Write vectors as imgId_eId,val csv.")
    ] = None,
    candidates: Annotated[
        int,
        typer.Option("--top-k", "--candidates", "-n", min=1, help="Known prompts to list."),
    ] = 5,
    compose: ComposeOption = True,
    ban: BanOption = None,
    prefix: Annotated[str, typer.Option(help="Put before every prompt.")] = "",
    suffix: Annotated[str, typer.Option(help="Put after every prompt.")] = "",
    max_tokens: Annotated[int, typer.Option(min=3, help="CLIP tokens a prompt may have.")] = 77,
    negative: Annotated[
        bool, typer.Option("--negative", help="Give a negative prompt too.")
    ] = False,
    ignore_metadata: Annotated[
        bool, typer.Option("--ignore-metadata", help="Do not report what the file itself says.")
    ] = False,
    k: Annotated[int | None, typer.Option(min=1, help="Neighbours, in place of the tuned.")] = None,
    temperature: Annotated[
        float | None, typer.Option(min=1e-3, help="Of the neighbours' softmax weights.")
    ] = None,
    alpha: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Weight of the neighbours; the head has the rest."),
    ] = None,
    gpu_search: Annotated[
        bool,
        typer.Option("--gpu-search", help="Search all keys exactly on GPUs: for long batches."),
    ] = False,
    engine: EngineOption = "local",
    workers: WorkersOption = None,
    cpus: CpusOption = None,
    gpus: GpusOption = None,
    ray_address: AddressOption = None,
    shard: ShardOption = None,
) -> None:
    """Recover the prompts of pictures.

    A picture that cannot be read is reported, the others go on; then the exit code is 1. With
    --output or --submission a killed run is taken up where it stopped by the same command.

    \b
    Examples:
      unprompt invert picture.png
      unprompt invert renders/ --output prompts.csv
      unprompt invert 'renders/*.webp' --json | jq .prompt
      unprompt invert 00000.tar --output prompts.parquet --bundle runs/mine/bundle
      unprompt invert images/ --submission submission.csv
      unprompt invert renders/ --output prompts.parquet --engine ray --workers 8
      unprompt invert picture.png --ban artists --ban 'close-up' --prefix 'best quality'
    """
    from unprompt.index.base.terms import read_terms
    from unprompt.inversion.compose.settings import ComposeConfig
    from unprompt.inversion.query import Query
    from unprompt.ui.jobs.invert import run_invert
    from unprompt.ui.jobs.invert_request import InvertRequest

    words = ComposeConfig(max_tokens, read_terms(ban or []), prefix, suffix)
    composed = compose and not (submission and not output)
    query = Query(candidates, composed, negative, not ignore_metadata, words=words)
    settings = {"k": k, "temperature": temperature, "alpha": alpha}
    chosen = read_engine(engine, workers, cpus, gpus, ray_address, shard)
    request = InvertRequest(
        tuple(paths), bundle, as_json, output, submission, query, settings, chosen, gpu_search
    )
    raise typer.Exit(run_invert(request))
