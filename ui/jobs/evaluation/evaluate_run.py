"""A finished run -> scores of its methods on test pictures, and the leak check of its splits."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from unprompt.build.corpus.corpus import Corpus, read_corpus
from unprompt.build.corpus.leaks import check_leaks
from unprompt.build.keys.import_rows import rows_near_held_out
from unprompt.build.pipeline import embed_texts
from unprompt.index.base.errors import ConfigError
from unprompt.index.encoders.protocols import to_unit_length
from unprompt.index.exported.export import trained_on
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.vectors.embeddings import read_embeddings
from unprompt.inversion.estimate.confidence import calibration_error, measure_reliability
from unprompt.inversion.fit.evaluate import (
    HeldOutPredictions,
    MethodScore,
    TextBank,
    predict_held_out,
    score_texts,
)
from unprompt.inversion.inverter import Inverter
from unprompt.ui.jobs.config import RunConfig
from unprompt.ui.jobs.run import Run, make_run


@dataclass(frozen=True)
class Evaluation:
    """The scores of a finished run, and the results of its leak checks."""

    predictions: HeldOutPredictions
    scores: list[MethodScore]
    sources: pl.Series  # of the prompt of each test picture
    leaks: dict[str, Any]
    calibration_error: float | None
    compose_seconds: float | None  # median per prompt


def evaluate_run(
    folder: Path, config: RunConfig, texts: int = 0, text_bank: bool = False
) -> Evaluation:
    """Scores of a finished run's methods, and the leak check between its splits.

    `texts` is the number of composed prompts to score as well. `text_bank` also encodes the known
    prompts with the text tower of the CLIP and scores a search among them. Raises ConfigError
    where the tower has no text tower in one space, or the bundle no phrases.
    """
    run = make_run(folder, config)
    corpus = read_corpus(run.folder.corpus)
    threshold = config.build.corpus.leak_threshold
    highest = check_leaks(corpus.prompts, to_unit_length(corpus.targets), threshold)
    bank = _text_bank(run, corpus) if text_bank else None
    predictions = predict_held_out(run.folder.bundle, run.folder.image_embeddings, corpus, bank)
    scores, seconds = predictions.scores(), None
    if texts:
        composer = Inverter.load(run.folder.bundle).composer
        if composer is None:
            raise ConfigError(
                f"{run.folder.bundle} has no phrases to compose prompts of: `fit.phrases`"
            )
        found, seconds = score_texts(predictions, composer, texts)
        scores.append(found)
    error = None
    if predictions.expected is not None:
        error = calibration_error(measure_reliability(predictions.expected, predictions.cosines))
    seen = trained_on(run.folder.encoder)
    foreign = seen is not None and seen != config.build.corpus.held_out_digest
    near = rows_near_held_out(PromptIndex.load(run.folder.index), corpus)
    leaks = {
        "threshold": threshold,
        "highest_cosine": highest,
        "rows_near_held_out": len(near),
        "tower_of_another_corpus": foreign,
    }
    sources = predictions.rows.select("prompt_id").join(
        corpus.prompts.select("prompt_id", "source"), on="prompt_id", how="left",
        maintain_order="left",
    )["source"]  # fmt: skip
    kept = corpus.report["kept"]
    return Evaluation(predictions, scores, sources, {**leaks, **kept}, error, seconds)


def _text_bank(run: Run, corpus: Corpus) -> TextBank | None:
    output = run.config.encoder.output
    if output == "prediction":
        return None  # the vectors of the prompts are a bank already
    if output != "embedding":
        raise ConfigError(
            "--text-bank needs a tower that shares its space with texts: "
            f"`encoder.output: embedding` or `prediction` of a trained one, got {output!r}"
        )
    embed_texts(run)
    found = read_embeddings(run.folder.text_embeddings)
    keys = to_unit_length(np.asarray(found.vectors))
    return TextBank(keys, corpus.targets_of(found.rows["prompt_id"]))
