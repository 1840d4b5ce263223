"""`unprompt make llm`: its arguments and options."""

from pathlib import Path
from typing import Annotated

import typer

from unprompt.ui.cli.make_options import (
    ColumnOption,
    CountOption,
    OutputFile,
    OverwriteOption,
    SeedOption,
    TokensOption,
)
from unprompt.ui.cli.options import JsonOption


def make_llm(
    output: OutputFile,
    url: Annotated[
        str | None, typer.Option(help="Base of an OpenAI-compatible API: http://HOST:PORT/v1.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Model to ask.")] = None,
    key_env: Annotated[
        str, typer.Option(help="Environment variable that holds the key.")
    ] = "OPENAI_API_KEY",
    examples: Annotated[
        list[Path] | None, typer.Option(help="File of example prompts. Repeatable.")
    ] = None,
    answers: Annotated[
        list[Path] | None,
        typer.Option(help="Read answers from this file in place of calls. Repeatable."),
    ] = None,
    count: CountOption = 1000,
    max_calls: Annotated[int, typer.Option(min=1, help="Calls in all, with earlier runs'.")] = 100,
    per_call: Annotated[int, typer.Option(min=1, help="Prompts a call asks for.")] = 20,
    parallel: Annotated[int, typer.Option(min=1, help="Calls side by side.")] = 1,
    given: Annotated[int, typer.Option(min=0, help="Examples a call shows.")] = 4,
    own: Annotated[int, typer.Option(min=0, help="Earlier prompts of the model it shows.")] = 3,
    command: Annotated[
        Path | None, typer.Option(help="File with another command; {count} is filled in.")
    ] = None,
    temperature: Annotated[float | None, typer.Option(help="The server's if left out.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for an answer.")] = 180.0,
    retries: Annotated[int, typer.Option(min=0, help="Of a call the server is too busy for.")] = 5,
    seed: SeedOption = 0,
    max_tokens: TokensOption = 77,
    column: ColumnOption = None,
    show: Annotated[
        bool, typer.Option("--show", help="Print the first call's message and stop.")
    ] = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Let a language model write prompts after examples and its own earlier ones.

    Every call is logged beside the output; a rerun goes on where the last one stopped.

    \b
    Examples:
      unprompt make llm -o gpt.parquet --url https://api.openai.com/v1 --model NAME \\
          --examples host.csv --count 5000 --max-calls 300
      unprompt make llm -o local.parquet --url http://127.0.0.1:8000/v1 --model NAME --parallel 8
      unprompt make llm -o gpt.parquet --examples host.csv --show     # to ask by hand, then
      unprompt make llm -o gpt.parquet --answers answer1.txt --answers answer2.txt
    """
    from unprompt.ui.jobs.make.llm import Model, llm_config, run_answers, run_llm, show_message
    from unprompt.ui.jobs.make.make import Destination, Source

    config = llm_config(
        command,
        {
            "count": count, "max_calls": max_calls, "seed": seed, "given": given, "own": own,
            "per_call": per_call, "parallel": parallel, "max_tokens": max_tokens,
        },
    )  # fmt: skip
    source, to = Source(examples or [], column), Destination(output, overwrite, as_json)
    if show:
        show_message(source, config)
    elif answers:
        run_answers(answers, source, config, to)
    elif url is None or model is None:
        raise typer.BadParameter("name --url and --model, or --answers")
    else:
        run_llm(Model(url, model, key_env, temperature, timeout, retries), source, config, to)
