"""`unprompt make METHOD`: the commands that make prompts."""

from pathlib import Path
from typing import Annotated

import typer

from unprompt.ui.cli.make.bank import make_bank
from unprompt.ui.cli.make.kinds import make_kinds
from unprompt.ui.cli.make.llm import make_llm
from unprompt.ui.cli.options import (
    BanOption,
    ColumnOption,
    CountOption,
    JsonOption,
    OutputFile,
    OverwriteOption,
    PromptsArgument,
    SeedOption,
    TokensOption,
    VectorsOption,
)

make_app = typer.Typer(
    name="make",
    help="Make prompts from captions, word lists or a language model; choose hard ones; "
    "draw pictures that no generator made.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@make_app.command("chain")
def make_chain(
    captions: PromptsArgument,
    output: OutputFile,
    count: CountOption = 1000,
    seed: SeedOption = 0,
    mode: Annotated[
        str,
        typer.Option(help="across: captions of different clusters; within: of the same cluster."),
    ] = "across",
    length: Annotated[int, typer.Option(help="Captions per chain.")] = 2,
    prefix: Annotated[
        str, typer.Option(help="Text before the first caption, e.g. 'a photo of'.")
    ] = "",
    joint: Annotated[str, typer.Option(help="Text between two captions.")] = ", ",
    clusters: Annotated[
        int | None,
        typer.Option(help="Number of clusters; 1,000 if left out, or a tenth of the captions."),
    ] = None,
    max_tokens: TokensOption = 77,
    column: ColumnOption = None,
    vectors: VectorsOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Join captions that no picture shows together.

    Captions are clustered by meaning. Every set of clusters is used once before one is reused.

    \b
    Examples:
      unprompt make chain captions.txt -o chains.parquet --count 100000
      unprompt make chain captions.txt -o photos.parquet --prefix 'a photo of' --length 3
      unprompt make chain captions.txt -o like.parquet --mode within
    """
    from unprompt.build.make.chain import ChainConfig
    from unprompt.index.base.settings import read_settings
    from unprompt.ui.jobs.make.make import Destination, PromptSource, run_chain

    settings = {
        "count": count, "seed": seed, "mode": mode, "length": length, "prefix": prefix,
        "joint": joint, "clusters": clusters, "max_tokens": max_tokens,
    }  # fmt: skip
    config = read_settings(ChainConfig, settings, "make chain")
    run_chain(
        PromptSource(captions, column), config, Destination(output, overwrite, as_json, vectors)
    )


@make_app.command("combine")
def make_combine(
    output: OutputFile,
    count: CountOption = 1000,
    seed: SeedOption = 0,
    terms: Annotated[
        Path | None,
        typer.Option(help="Folder of lists such as subject.txt; they replace the shipped ones."),
    ] = None,
    only: Annotated[bool, typer.Option("--only", help="Use only the lists in --terms.")] = False,
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
    corpus: PromptsArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")],
    column: ColumnOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Extract word lists from a corpus of prompts, to edit and to combine.

    \b
    Example:
      unprompt make terms prompts.txt -o terms/
    """
    from unprompt.ui.jobs.make.make import PromptSource, run_terms

    run_terms(PromptSource(corpus, column), output, overwrite, as_json)


@make_app.command("modify")
def make_modify(
    captions: PromptsArgument,
    corpus: Annotated[
        list[Path],
        typer.Option("--corpus", help="Prompts that the modifiers come from. Repeatable."),
    ],
    output: OutputFile,
    count: Annotated[
        int | None,
        typer.Option(
            "--count", "-n", min=1, help="Number of prompts; one per caption if left out."
        ),
    ] = None,
    seed: SeedOption = 0,
    least: Annotated[int, typer.Option(help="Minimum number of modifiers per caption.")] = 1,
    most: Annotated[int, typer.Option(help="Maximum number of modifiers per caption.")] = 5,
    min_uses: Annotated[
        int, typer.Option(help="Minimum number of prompts with the same modifier.")
    ] = 5,
    max_words: Annotated[int, typer.Option(help="Maximum number of words per modifier.")] = 5,
    ban: BanOption = None,
    max_tokens: TokensOption = 77,
    column: ColumnOption = None,
    corpus_column: ColumnOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Append modifiers to captions: phrases behind commas in a corpus, by their frequency.

    \b
    Examples:
      unprompt make modify captions.txt --corpus prompts.txt -o modified.parquet
      unprompt make modify captions.txt --corpus prompts.txt -o modified.txt --most 2 --ban artists
    """
    from unprompt.build.make.modify import ModifyConfig
    from unprompt.ui.jobs.make.make import Destination, PromptSource, run_modify

    config = ModifyConfig(count, seed, least, most, min_uses, max_words, max_tokens=max_tokens)
    to = Destination(output, overwrite, as_json)
    run_modify(
        PromptSource(captions, column), PromptSource(corpus, corpus_column), ban or [], config, to
    )


@make_app.command("mine")
def make_mine(
    candidates: PromptsArgument,
    output: OutputFile,
    run: Annotated[
        Path | None, typer.Option(help="Finished run; its held-out answers train the model.")
    ] = None,
    cosines: Annotated[
        Path | None,
        typer.Option(help="File with the columns prompt and cosine, in place of --run."),
    ] = None,
    split: Annotated[
        list[str] | None,
        typer.Option(help="validation or test; validation if left out. Repeatable."),
    ] = None,
    below: Annotated[
        float | None,
        typer.Option(help="Upper limit of the expected cosine; 0.4 without --share."),
    ] = None,
    share: Annotated[
        float | None, typer.Option(help="Choose the hardest share of the candidates.")
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", "-n", min=1, help="Maximum number of prompts.")
    ] = None,
    reference: Annotated[
        list[Path] | None, typer.Option(help="File of real prompts to stay near to. Repeatable.")
    ] = None,
    near: Annotated[
        float, typer.Option(help="Lower limit of the cosine to the nearest reference.")
    ] = 0.5,
    column: ColumnOption = None,
    reference_column: ColumnOption = None,
    vectors: VectorsOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Choose the candidates that a run is expected to answer worst, to render them next.

    Reports how well the difficulty of held-out prompts is predicted.

    \b
    Examples:
      unprompt make mine candidates.txt --run runs/mine -o hard.parquet --share 0.2
      unprompt make mine more/*.txt --run runs/mine -o hard.parquet --reference real.csv
      unprompt make mine candidates.txt --cosines cosines.csv -o hard.txt --below 0.5 --count 1000
    """
    from unprompt.build.make.mine import BELOW, MineConfig
    from unprompt.ui.jobs.make.make import Destination, KnownCosines, PromptSource, run_mine

    limit = BELOW if below is None and share is None else below
    config = MineConfig(limit, share, count, near, tuple(split or ["validation"]))
    to = Destination(output, overwrite, as_json, vectors)
    near_to = PromptSource(reference or [], reference_column)
    run_mine(PromptSource(candidates, column), KnownCosines(run, cosines), near_to, config, to)


make_app.command("bank")(make_bank)
make_app.command("kinds")(make_kinds)
make_app.command("llm")(make_llm)
