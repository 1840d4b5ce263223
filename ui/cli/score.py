"""`unprompt eval` and `unprompt tune`: their arguments and options."""

from pathlib import Path
from typing import Annotated

import typer

from unprompt.ui.cli.options import BundleOption, JsonOption, SetOption


def evaluate(
    config: Annotated[
        str | None, typer.Argument(help="Name of a preset, or a YAML file; none with --pairs.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Run folder; with --pairs the folder for answers and report."
        ),
    ] = None,
    settings: SetOption = None,
    as_json: JsonOption = False,
    texts: Annotated[
        int,
        typer.Option("--texts", "--text", min=0, help="Number of composed prompts to score, too."),
    ] = 0,
    report: Annotated[
        bool,
        typer.Option(
            "--report",
            help="Write RUN/report with plots, groups and cases; with --pairs into --output.",
        ),
    ] = False,
    text_bank: Annotated[
        bool,
        typer.Option(
            "--text-bank",
            help="Also score a search among the prompts, encoded by the text tower of the CLIP.",
        ),
    ] = False,
    truth: Annotated[
        Path | None,
        typer.Option(help="Score CONFIG, a submission csv, against this csv of imgId,prompt."),
    ] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(
            help="Score a bundle on these pairs: webdataset tars, a table, or pictures with .txt."
        ),
    ] = None,
    bundle: BundleOption = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Maximum number of pairs, chosen by a hash.")
    ] = None,
) -> None:
    """Score every method on test pictures; builds what is missing first.

    The score is the mean cosine between the vectors of the recovered and the true prompts, with a
    bootstrap 95% interval. With --pairs a bundle is scored on pictures and prompts of your own, by
    source, generator and kind where they are known. With --output the answers are kept there, so
    that a killed evaluation goes on.

    \b
    Examples:
      unprompt eval scenes-small
      unprompt eval scenes-tiny --texts 40 --report
      unprompt eval submission.csv --truth prompts.csv
      unprompt eval --pairs shards/ --limit 500
      unprompt eval --pairs pairs.csv --bundle runs/mine/bundle --report -o reports/mine --text 100
    """
    from unprompt.index.base.errors import ConfigError
    from unprompt.ui.jobs.evaluation.evaluate import run_eval, run_pairs, score_submission

    if pairs is not None:
        if config is not None or truth is not None:
            raise ConfigError("--pairs scores a bundle; leave CONFIG and --truth out")
        folder = output or (Path("runs") / f"pairs-{pairs.resolve().stem}" if report else None)
        run_pairs(pairs, bundle, folder, report, as_json, limit, texts)
        return
    if config is None:
        raise ConfigError("name what to score: a preset or YAML file, or --pairs FOLDER")
    if bundle is not None or limit is not None:
        raise ConfigError("--bundle and --limit belong to --pairs")
    if truth is not None:
        score_submission(Path(config), truth, as_json)
        return
    run_eval(config, output, settings or [], as_json, texts, report, text_bank)


def tune(
    runs: Annotated[list[Path], typer.Argument(help="Finished run folders.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Bundle folder for several runs."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Override one setting of `fit:`, e.g. neighbors=[50,100]."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Tune neighbors, weights, prior and gate on validation; show what each choice gains.

    One run is tuned in place. Several runs over one corpus become an ensemble: a bundle with the
    encoders, indexes and heads of all. Runs over different corpora become worlds, and a router
    says which world answers a picture; or one ensemble, if that is better on pictures left out.

    \b
    Examples:
      unprompt tune runs/mine
      unprompt tune runs/mine --set per_dimension=true --json
      unprompt tune runs/lite2 runs/vit --output bundles/both
    """
    from unprompt.ui.jobs.tune import run_tune

    run_tune(runs, output, settings or [], as_json)
