"""`unprompt eval` and `unprompt tune`: their arguments and options."""

from pathlib import Path
from typing import Annotated

import typer

from unprompt.ui.cli.options import ConfigArgument, JsonOption, OutputRun, SetOption


def evaluate(
    config: ConfigArgument,
    output: OutputRun = None,
    settings: SetOption = None,
    as_json: JsonOption = False,
    texts: Annotated[
        int, typer.Option(min=0, help="Number of composed prompts to score as well.")
    ] = 0,
    report: Annotated[
        bool, typer.Option("--report", help="Write RUN/report with plots, groups and cases.")
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
) -> None:
    """Score every method on test pictures; builds what is missing first.

    The score is the mean cosine between the vectors of the recovered and the true prompts, with a
    bootstrap 95% interval.

    \b
    Examples:
      unprompt eval scenes-small
      unprompt eval scenes-tiny --texts 40 --report
      unprompt eval submission.csv --truth prompts.csv
    """
    from unprompt.ui.jobs.evaluation.evaluate import run_eval, score_submission

    if truth is not None:
        score_submission(Path(config), truth, as_json)
        return
    run_eval(config, output, settings or [], as_json, texts, report, text_bank)


def tune(
    runs: Annotated[list[Path], typer.Argument(help="Finished run folders over one corpus.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Bundle folder for the ensemble of several runs."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Override one setting of `fit:`, e.g. neighbors=[50,100]."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Tune neighbors, weights, prior and gate on validation; show what each choice gains.

    One run is tuned in place. Several runs over one corpus become an ensemble: a bundle with the
    encoders, indexes and heads of all.

    \b
    Examples:
      unprompt tune runs/mine
      unprompt tune runs/mine --set per_dimension=true --json
      unprompt tune runs/lite2 runs/vit --output bundles/both
    """
    from unprompt.ui.jobs.tune import run_tune

    run_tune(runs, output, settings or [], as_json)
