"""`unprompt make llm`: its arguments and options."""

import os
from pathlib import Path
from typing import Annotated

import typer

from unprompt.ui.cli.options import (
    ColumnOption,
    CountOption,
    JsonOption,
    OutputFile,
    OverwriteOption,
    SeedOption,
    TokensOption,
)


def make_llm(
    output: OutputFile,
    url: Annotated[
        str | None, typer.Option(help="Base URL of an OpenAI-compatible API: http://HOST:PORT/v1.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Name of the model.")] = None,
    key_env: Annotated[
        str, typer.Option(help="Environment variable that holds the API key.")
    ] = "OPENAI_API_KEY",
    examples: Annotated[
        list[Path] | None, typer.Option(help="File of example prompts. Repeatable.")
    ] = None,
    answers: Annotated[
        list[Path] | None,
        typer.Option(help="File of answers, read in place of calls. Repeatable."),
    ] = None,
    count: CountOption = 1000,
    max_calls: Annotated[
        int, typer.Option(min=1, help="Maximum number of calls, with earlier runs.")
    ] = 100,
    per_call: Annotated[int, typer.Option(min=1, help="Prompts asked for per call.")] = 20,
    parallel: Annotated[int, typer.Option(min=1, help="Concurrent calls.")] = 1,
    given: Annotated[int, typer.Option(min=0, help="Examples shown per call.")] = 4,
    own: Annotated[
        int, typer.Option(min=0, help="Earlier prompts of the model shown per call.")
    ] = 3,
    command: Annotated[
        Path | None,
        typer.Option(help="File with another instruction; {count} stands for --per-call."),
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help="The server's default if left out.")
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for an answer.")] = 180.0,
    retries: Annotated[
        int, typer.Option(min=0, help="Retries per call while the server is busy.")
    ] = 5,
    seed: SeedOption = 0,
    max_tokens: TokensOption = 77,
    column: ColumnOption = None,
    show: Annotated[
        bool, typer.Option("--show", help="Print the first call's message and stop.")
    ] = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Let a language model write prompts, with examples and its own earlier prompts.

    Every call is logged beside the output. A rerun continues where the last one stopped.

    \b
    Examples:
      unprompt make llm -o gpt.parquet --url https://api.openai.com/v1 --model NAME \\
          --examples host.csv --count 5000 --max-calls 300
      unprompt make llm -o local.parquet --url http://127.0.0.1:8000/v1 --model NAME --parallel 8
      unprompt make llm -o gpt.parquet --examples host.csv --show     # to ask by hand, then
      unprompt make llm -o gpt.parquet --answers answer1.txt --answers answer2.txt
    """
    from unprompt.build.make.llm.chat import Endpoint
    from unprompt.ui.jobs.make.llm import llm_config, run_answers, run_llm, show_message
    from unprompt.ui.jobs.make.make import Destination, PromptSource

    config = llm_config(
        command,
        {
            "count": count, "max_calls": max_calls, "seed": seed, "given": given, "own": own,
            "per_call": per_call, "parallel": parallel, "max_tokens": max_tokens,
        },
    )  # fmt: skip
    source, to = PromptSource(examples or [], column), Destination(output, overwrite, as_json)
    if show:
        show_message(source, config)
    elif answers:
        run_answers(answers, source, config, to)
    elif url is None or model is None:
        raise typer.BadParameter("give --url and --model, or --answers")
    else:
        key = os.environ.get(key_env) or None  # read from nowhere else
        run_llm(Endpoint(url, model, key, temperature, timeout, retries), source, config, to)
