"""The command line: parse, call one library function, print. Exit 0, 1 (our error), 2 (usage)."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from unprompt.index.errors import UnpromptError
from unprompt.ui.cli_options import (
    BanOption,
    BundleOption,
    ComposeOption,
    ConfigArgument,
    JsonOption,
    OutputRun,
    SetOption,
)
from unprompt.ui.cli_train import train_app

INTERRUPTED = 130  # what typer makes of Ctrl-C
EPILOG = "Every command has examples: unprompt COMMAND --help"

app = typer.Typer(
    name="unprompt",
    help="Recover the prompt behind a generated image, as a vector and as text.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
index_app = typer.Typer(
    name="index", help="Look into a prompt index.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(index_app)
app.add_typer(train_app)


def _version(shown: bool) -> None:
    if shown:
        from importlib.metadata import version

        print(f"unprompt {version('unprompt')}")
        raise typer.Exit()


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Recover the prompt behind a generated image, as a vector and as text."""


@app.command()
def build(
    config: ConfigArgument,
    output: OutputRun = None,
    stage: Annotated[
        list[str] | None,
        typer.Option(
            "--stage",
            help="Run only this stage, again if it is done: corpus, images, train, encoder, "
            "embed, index, fit.",
        ),
    ] = None,
    settings: SetOption = None,
    retry_failed: Annotated[
        bool,
        typer.Option("--retry-failed", help="Render the failed rows of finished shards again."),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Delete the stages that other settings made.")
    ] = False,
) -> None:
    """Build an index and a bundle from prompts: render, embed, index, fit.

    A rerun finishes what is missing and leaves the rest alone, also after a kill.

    \b
    Examples:
      unprompt build scenes-tiny
      unprompt build my-corpus.yaml --output runs/mine
      unprompt build scenes-small --stage corpus --stage images
      unprompt build scenes-tiny --set corpus.count=800 --output runs/bigger
    """
    from unprompt.ui.build import run_build

    run_build(config, output, stage, settings or [], retry_failed, overwrite)


@app.command()
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
      unprompt invert picture.png --ban artists --ban 'close-up' --prefix 'best quality'
    """
    from unprompt.inversion.ban import read_terms
    from unprompt.inversion.inverter import Query
    from unprompt.inversion.words import ComposeConfig
    from unprompt.ui.batch import InvertRequest, run_invert

    words = ComposeConfig(max_tokens, read_terms(ban or []), prefix, suffix)
    composed = compose and not (submission and not output)
    query = Query(candidates, composed, negative, not ignore_metadata, words=words)
    settings = {"k": k, "temperature": temperature, "alpha": alpha}
    request = InvertRequest(tuple(paths), bundle, as_json, output, submission, query, settings)
    raise typer.Exit(run_invert(request))


@app.command()
def tune(
    runs: Annotated[list[Path], typer.Argument(help="Finished run folders over one corpus.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Bundle folder for several runs together.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Override one setting of `fit:`, e.g. neighbors=[50,100]."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Tune neighbours, weights, prior and gate on validation; list what each choice gained.

    One run is tuned in place. Several runs over one corpus become an ensemble: a bundle with all
    their encoders, indexes and heads.

    \b
    Examples:
      unprompt tune runs/mine
      unprompt tune runs/mine --set per_dimension=true --json
      unprompt tune runs/lite2 runs/vit --output bundles/both
    """
    from unprompt.ui.tune_command import run_tune

    run_tune(runs, output, settings or [], as_json)


@app.command("eval")
def evaluate(
    config: ConfigArgument,
    output: OutputRun = None,
    settings: SetOption = None,
    as_json: JsonOption = False,
    texts: Annotated[int, typer.Option(min=0, help="Score so many composed prompts as well.")] = 0,
    report: Annotated[
        bool, typer.Option("--report", help="Write RUN/report with plots, groups and cases.")
    ] = False,
    truth: Annotated[
        Path | None,
        typer.Option(help="Score CONFIG, a submission csv, against this csv of imgId,prompt."),
    ] = None,
) -> None:
    """Score every method on held-out pictures, building first what is missing.

    Mean cosine between the recovered and the true prompt's vector, with a bootstrap 95% interval.

    \b
    Examples:
      unprompt eval scenes-small
      unprompt eval scenes-tiny --texts 40 --report
      unprompt eval submission.csv --truth prompts.csv
    """
    from unprompt.ui.evaluate import run_eval, score_submission

    if truth is not None:
        score_submission(Path(config), truth, as_json)
        return
    run_eval(config, output, settings or [], as_json, texts, report)


@index_app.command("info")
def index_info(
    folder: Annotated[Path, typer.Argument(help="An index, bundle or run folder.")],
    as_json: JsonOption = False,
) -> None:
    """Show what an index holds: rows, encoder, factory string, recall, files.

    \b
    Example:
      unprompt index info runs/scenes-tiny/bundle
    """
    from unprompt.ui.index_commands import show_index

    show_index(folder, as_json)


@index_app.command("verify")
def index_verify(
    folder: Annotated[Path, typer.Argument(help="An index, bundle or run folder.")],
) -> None:
    """Hash every file and name the first that is damaged.

    \b
    Example:
      unprompt index verify runs/scenes-tiny/bundle
    """
    from unprompt.ui.index_commands import verify_index

    verify_index(folder)


@app.command()
def demo(
    bundle: BundleOption = None,
    port: Annotated[int, typer.Option(help="Port to listen on; 0 picks a free one.")] = 7860,
    open_browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in a browser.")
    ] = True,
    auth: Annotated[
        str | None,
        typer.Option(help="NAME:PASSWORD that visitors have to give.", envvar="UNPROMPT_AUTH"),
    ] = None,
) -> None:
    """Open the page: drop an image, see its prompt. Listens on 127.0.0.1 only.

    \b
    Examples:
      unprompt demo
      unprompt demo --bundle runs/mine/bundle --port 8000 --no-open
    """
    from unprompt.ui.demo import run_demo

    run_demo(bundle, port, open_browser, auth)


def main() -> None:
    """Entry point: our errors become one line on stderr and exit code 1."""
    try:
        app()
    except UnpromptError as error:
        print(f"unprompt: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except OSError as error:  # a full disk behind stdout, a folder that may not be read
        _drop_unwritable_output()
        print(f"unprompt: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except SystemExit as stop:
        if stop.code == INTERRUPTED:
            print("unprompt: stopped; run the same command again to go on", file=sys.stderr)
        raise


def _drop_unwritable_output() -> None:
    """What stdout did not take would otherwise fail once more at the end of the process."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
