"""`unprompt make ...`: the commands that make prompts."""

from pathlib import Path
from typing import Annotated

import typer

from unprompt.ui.cli_options import BanOption, JsonOption

make_app = typer.Typer(
    name="make",
    help="Make prompts: from captions, word lists, a language model, or what is hard.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

OutputFile = Annotated[
    Path,
    typer.Option("--output", "-o", help="x.parquet or x.jsonl with parents, or x.txt."),
]
CountOption = Annotated[int, typer.Option("--count", "-n", min=1, help="Prompts to make.")]
SeedOption = Annotated[int, typer.Option(help="Another seed draws others.")]
ColumnOption = Annotated[
    str | None, typer.Option(help="Column of the prompts, in csv, tsv, parquet and jsonl.")
]
TokensOption = Annotated[int, typer.Option(min=3, help="CLIP tokens a prompt may have.")]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace what other settings made.")
]
VectorsOption = Annotated[
    Path | None,
    typer.Option(help="Folder to keep encoded prompts in; beside the output if left out."),
]
CaptionsArgument = Annotated[
    list[Path], typer.Argument(help="Prompt files: .txt .csv .tsv .parquet .jsonl.")
]


@make_app.command("chain")
def make_chain(
    captions: CaptionsArgument,
    output: OutputFile,
    count: CountOption = 1000,
    seed: SeedOption = 0,
    mode: Annotated[
        str, typer.Option(help="across: captions of different clusters; within: of one.")
    ] = "across",
    length: Annotated[int, typer.Option(help="Captions in a chain.")] = 2,
    prefix: Annotated[str, typer.Option(help="Before the first, e.g. 'a photo of'.")] = "",
    joint: Annotated[str, typer.Option(help="Between two captions.")] = ", ",
    clusters: Annotated[
        int | None, typer.Option(help="1,000 if left out, fewer where there are few captions.")
    ] = None,
    max_tokens: TokensOption = 77,
    column: ColumnOption = None,
    vectors: VectorsOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Join captions that no picture shows together.

    Captions are clustered by meaning; every set of clusters has its turn before one comes again.

    \b
    Examples:
      unprompt make chain captions.txt -o chains.parquet --count 100000
      unprompt make chain captions.txt -o photos.parquet --prefix 'a photo of' --length 3
      unprompt make chain captions.txt -o like.parquet --mode within
    """
    from unprompt.build.make.chain import ChainConfig
    from unprompt.index.settings import read_settings
    from unprompt.ui.make import Destination, Source, run_chain

    settings = {
        "count": count, "seed": seed, "mode": mode, "length": length, "prefix": prefix,
        "joint": joint, "clusters": clusters, "max_tokens": max_tokens,
    }  # fmt: skip
    config = read_settings(ChainConfig, settings, "make chain")
    run_chain(Source(captions, column), config, Destination(output, overwrite, as_json, vectors))


@make_app.command("combine")
def make_combine(
    output: OutputFile,
    count: CountOption = 1000,
    seed: SeedOption = 0,
    terms: Annotated[
        Path | None,
        typer.Option(help="Folder of lists such as subject.txt, over those that ship."),
    ] = None,
    only: Annotated[bool, typer.Option("--only", help="Use no list but those in --terms.")] = False,
    max_tokens: TokensOption = 77,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Fill templates with subjects, media, adjectives, verbs, settings and styles.

    \b
    Examples:
      unprompt make combine -o combined.parquet --count 50000
      unprompt make terms prompts.txt -o terms/
      unprompt make combine -o combined.txt --terms terms/ --seed 7
    """
    from unprompt.build.make.combine import CombineConfig
    from unprompt.ui.make import Destination, run_combine

    config = CombineConfig(count, seed, max_tokens)
    run_combine(terms, only, config, Destination(output, overwrite, as_json))


@make_app.command("terms")
def make_terms(
    corpus: CaptionsArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")],
    column: ColumnOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write the word lists of a corpus of prompts, to edit and to combine.

    \b
    Example:
      unprompt make terms prompts.txt -o terms/
    """
    from unprompt.ui.make import Source, run_terms

    run_terms(Source(corpus, column), output, overwrite, as_json)


@make_app.command("modify")
def make_modify(
    captions: CaptionsArgument,
    corpus: Annotated[
        list[Path], typer.Option("--corpus", help="Prompts to take modifiers from. Repeatable.")
    ],
    output: OutputFile,
    count: Annotated[
        int | None, typer.Option("--count", "-n", min=1, help="One of each caption if left out.")
    ] = None,
    seed: SeedOption = 0,
    least: Annotated[int, typer.Option(help="Modifiers appended at least.")] = 1,
    most: Annotated[int, typer.Option(help="And at most.")] = 5,
    min_uses: Annotated[int, typer.Option(help="Prompts that must hold a modifier.")] = 5,
    max_words: Annotated[int, typer.Option(help="Words of a modifier.")] = 5,
    ban: BanOption = None,
    max_tokens: TokensOption = 77,
    column: ColumnOption = None,
    corpus_column: ColumnOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Append to captions what a corpus of prompts has behind its commas, as often as it has it.

    \b
    Examples:
      unprompt make modify captions.txt --corpus prompts.txt -o modified.parquet
      unprompt make modify captions.txt --corpus prompts.txt -o modified.txt --most 2 --ban artists
    """
    from unprompt.build.make.modify import ModifyConfig
    from unprompt.ui.make import Destination, Source, run_modify

    config = ModifyConfig(count, seed, least, most, min_uses, max_words, max_tokens=max_tokens)
    to = Destination(output, overwrite, as_json)
    run_modify(Source(captions, column), Source(corpus, corpus_column), ban or [], config, to)


@make_app.command("llm")
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
    from unprompt.ui.make import Destination, Source
    from unprompt.ui.make_llm import Model, llm_config, run_answers, run_llm, show_message

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


@make_app.command("mine")
def make_mine(
    candidates: CaptionsArgument,
    output: OutputFile,
    run: Annotated[
        Path | None, typer.Option(help="A finished run, whose held-out answers are learnt from.")
    ] = None,
    cosines: Annotated[
        Path | None, typer.Option(help="Or a file with the columns prompt and cosine.")
    ] = None,
    split: Annotated[
        list[str] | None,
        typer.Option(help="validation, test or both; validation if left out. Repeatable."),
    ] = None,
    below: Annotated[
        float | None,
        typer.Option(help="Expected cosine; 0.4 if neither --share nor this is given."),
    ] = None,
    share: Annotated[
        float | None, typer.Option(help="Take this share of the candidates, the hardest.")
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", "-n", min=1, help="At most so many.")
    ] = None,
    reference: Annotated[
        list[Path] | None, typer.Option(help="Real prompts to stay near to. Repeatable.")
    ] = None,
    near: Annotated[float, typer.Option(help="Cosine to the nearest reference prompt.")] = 0.5,
    column: ColumnOption = None,
    reference_column: ColumnOption = None,
    vectors: VectorsOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Choose the candidates that the system so far would answer worst, to render them next.

    States how well the difficulty of prompts is predicted, on held-out ones.

    \b
    Examples:
      unprompt make mine candidates.txt --run runs/mine -o hard.parquet --share 0.2
      unprompt make mine more/*.txt --run runs/mine -o hard.parquet --reference real.csv
      unprompt make mine candidates.txt --cosines cosines.csv -o hard.txt --below 0.5 --count 1000
    """
    from unprompt.build.make.mine import BELOW, MineConfig
    from unprompt.ui.make import Destination, Source
    from unprompt.ui.make_mine import Known, run_mine

    limit = BELOW if below is None and share is None else below
    config = MineConfig(limit, share, count, near, tuple(split or ["validation"]))
    to = Destination(output, overwrite, as_json, vectors)
    near_to = Source(reference or [], reference_column)
    run_mine(Source(candidates, column), Known(run, cosines), near_to, config, to)
