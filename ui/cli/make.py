"""`unprompt make ...`: the commands that make prompts."""

from pathlib import Path
from typing import Annotated

import typer

from unprompt.ui.cli.make_llm import make_llm
from unprompt.ui.cli.make_mine import make_mine
from unprompt.ui.cli.make_options import (
    CaptionsArgument,
    ColumnOption,
    CountOption,
    OutputFile,
    OverwriteOption,
    SeedOption,
    TokensOption,
    VectorsOption,
)
from unprompt.ui.cli.options import BanOption, JsonOption

make_app = typer.Typer(
    name="make",
    help="Make prompts: from captions, word lists, a language model, or what is hard.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


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
    from unprompt.index.base.settings import read_settings
    from unprompt.ui.jobs.make.make import Destination, Source, run_chain

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
    from unprompt.ui.jobs.make.make import Destination, run_combine

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
    from unprompt.ui.jobs.make.make import Source, run_terms

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
    from unprompt.ui.jobs.make.make import Destination, Source, run_modify

    config = ModifyConfig(count, seed, least, most, min_uses, max_words, max_tokens=max_tokens)
    to = Destination(output, overwrite, as_json)
    run_modify(Source(captions, column), Source(corpus, corpus_column), ban or [], config, to)


make_app.command("llm")(make_llm)
make_app.command("mine")(make_mine)
