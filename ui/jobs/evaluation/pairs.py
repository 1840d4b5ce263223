"""A bundle and labelled pairs -> scores of its methods on pictures that it may never have seen.

The cosine of a picture is the mean over its captions, where it has several. Means and intervals
take the prompt as the unit: the cosines are averaged over the pictures of a prompt first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from unprompt.index.base.durable import stable_id
from unprompt.index.base.errors import ConfigError, CorpusError, MissingDependencyError
from unprompt.index.base.owner import owned
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.encoders.protocols import PromptEncoder, to_unit_length
from unprompt.index.pairs.labelled_pairs import open_labelled_pairs
from unprompt.inversion.compose.prompt_encoder import load_matching_encoder
from unprompt.inversion.estimate.confidence import calibration_error, measure_reliability
from unprompt.inversion.fit.by_prompt import (
    PromptScore,
    group_numbers,
    mean_by_group,
    score_prompts,
    score_sources,
)
from unprompt.inversion.inverter import STARTER, Inverter
from unprompt.ui.jobs.evaluation.pair_answers import (
    CLASS_BANK,
    PairAnswers,
    answer_pairs,
    answers_digest,
    compose_pairs,
)

CONSTANT, SET_CONSTANT, TEXT = "constant", "constant of this set", "text"
LABELS = ("source", "generator", "kind")
UNKNOWN = "unknown"
PICTURES_PER_BIN = 20  # so that the calibration error of a small group is not mere noise
CACHE = "answers"


@dataclass(frozen=True)
class GroupScore:
    """The scores of one source, generator or kind."""

    answer: PromptScore  # named as the group
    constant: float  # mean cosine of the answering world's constant, by prompt
    class_bank: float | None
    calibration_error: float | None  # of the pictures with an expected cosine
    promised: float | None  # mean expected minus mean found cosine: above 0 promises too much
    outside: float  # share of pictures
    blank: float  # share of pictures said to be of one color


@dataclass(frozen=True)
class PairsEvaluation:
    """Scores of a bundle on labelled pairs."""

    table: pl.DataFrame  # a row per picture: labels, prompts, answer, cosine of every method
    methods: list[PromptScore]  # baselines first
    over_sources: list[PromptScore]  # the same methods: mean over sources; empty with one source
    groups: Mapping[str, list[GroupScore]]  # by source, generator and kind; largest first
    overall: GroupScore
    worlds: Mapping[str, float]  # share of pictures that each world answered
    failed: pl.DataFrame  # name and fault of the pairs that are left out

    def as_json(self) -> dict[str, Any]:
        """The scores with plain JSON values."""
        return {
            "methods": [score.as_json() for score in self.methods],
            "over_sources": [score.as_json() for score in self.over_sources],
            "overall": asdict(self.overall),
            "groups": {name: [asdict(one) for one in own] for name, own in self.groups.items()},
            "worlds": dict(self.worlds),
            "failed": self.failed.to_dicts(),
        }


def evaluate_pairs(
    pairs: Path,
    bundle: Path | None = None,
    folder: Path | None = None,
    limit: int | None = None,
    texts: int = 0,
    progress: Progress = SILENT,
) -> PairsEvaluation:
    """Score a bundle, by default the starter, on the pairs of a folder or table.

    `folder` keeps finished answers, so that a killed evaluation goes on. `limit` takes that many
    pictures, and `texts` composes that many prompts to score as text; a hash of the names chooses
    both. Raises CorpusError where no pair can be read, MissingDependencyError without the prompt
    encoder of the bundle, and OutputInUseError where another process writes `folder`.
    """
    with owned(folder):
        return _evaluate(pairs, bundle, folder, limit, texts, progress)


def _evaluate(
    pairs: Path,
    bundle: Path | None,
    folder: Path | None,
    limit: int | None,
    texts: int,
    progress: Progress,
) -> PairsEvaluation:
    place = STARTER if bundle is None else bundle
    listed = open_labelled_pairs(pairs)
    rows = choose_rows(listed.whole, limit)
    inverter = Inverter.load(place)
    target_space = inverter.index.manifest.target_space
    encoder = load_truth_encoder(target_space, place)
    truth = encode_truth(rows, encoder)
    cache = None if folder is None else folder / CACHE / answers_digest(place)
    found = answer_pairs(inverter, rows, cache, progress)
    constants = {world.name: world.index.mean_target for world in inverter.worlds}
    evaluation = score_answers(rows, truth, found, constants, listed.faulty.select("name", "fault"))
    if not texts:
        return evaluation
    chosen = choose_rows(rows, texts)
    composed = encoder.encode(compose_pairs(inverter, chosen, cache, progress))
    return _with_text(evaluation, rows, truth, chosen, composed)


def choose_rows(rows: pl.DataFrame, limit: int | None) -> pl.DataFrame:
    """At most `limit` rows of LABELLED, chosen by a hash of their names, in the old order."""
    if limit is None or limit >= rows.height:
        return rows
    names = rows["name"].to_list()
    chosen = sorted(range(len(names)), key=lambda row: stable_id("pairs", names[row]))[:limit]
    return rows[sorted(chosen)]


def encode_truth(rows: pl.DataFrame, encoder: PromptEncoder) -> np.ndarray:
    """The mean of the unit vectors of each row's captions: (n, d_prompt), not at unit length.

    Its product with an answer is the mean cosine over the captions.
    """
    lists = rows["prompts"].to_list()
    texts = sorted({text for own in lists for text in own})
    vectors = dict(zip(texts, encoder.encode(texts), strict=True))
    return np.stack([np.mean([vectors[text] for text in own], axis=0) for own in lists])


def score_answers(
    rows: pl.DataFrame,
    truth: np.ndarray,
    answers: PairAnswers,
    constants: Mapping[str | None, np.ndarray],
    faulty: pl.DataFrame,
) -> PairsEvaluation:
    """Score `answers` (n) to LABELLED `rows` (n) against `truth` (n, d_prompt).

    `constants` holds the mean target of every world; the first serves answers without a world.
    """
    table = pl.concat([rows.drop("fault"), answers.table], how="horizontal")
    read = answers.table["fault"].is_null()
    failed = pl.concat([faulty, table.filter(~read).select("name", "fault")])
    if not read.any():
        raise CorpusError(f"no picture of {rows.height} can be read; first: {failed['fault'][0]}")
    kept = read.to_numpy()
    labels = [pl.col(name).fill_null(UNKNOWN) for name in LABELS]
    table = table.filter(read).drop("fault").with_columns(labels)
    truth = truth[kept]
    first = next(iter(constants.values()))
    worlds = table["world"].to_list()
    vectors = {CONSTANT: np.stack([constants.get(name, first) for name in worlds])}
    others = constant_of_others(truth, prompt_numbers(table), table["source"].to_numpy())
    vectors |= {} if others is None else {SET_CONSTANT: others}
    stored = {name: found[kept] for name, found in answers.vectors.items()}
    order = (CLASS_BANK, *(name for name in stored if name != CLASS_BANK))
    vectors |= {name: stored[name] for name in order if name in stored}
    cosines = {
        name: np.einsum("nd,nd->n", to_unit_length(found), truth).astype(np.float64)
        for name, found in vectors.items()
    }
    return _evaluation(table.with_columns(**cosines), list(cosines), failed)


def prompt_numbers(table: pl.DataFrame) -> np.ndarray:
    """The number (n,) of each row's prompt; pictures of one prompt have the same."""
    return group_numbers([tuple(prompts) for prompts in table["prompts"].to_list()])


def constant_of_others(
    truth: np.ndarray, prompts: np.ndarray, sources: np.ndarray
) -> np.ndarray | None:
    """For each row the mean of the prompts of all other sources: (n, d); None with one source."""
    names, places = np.unique(sources, return_inverse=True)
    if len(names) < 2:
        return None
    sums, counts = np.zeros((len(names), truth.shape[1])), np.zeros(len(names))
    for place in range(len(names)):
        own = np.flatnonzero(places == place)
        distinct = own[np.unique(prompts[own], return_index=True)[1]]
        sums[place], counts[place] = truth[distinct].sum(axis=0), len(distinct)
    others = (sums.sum(axis=0) - sums) / (counts.sum() - counts)[:, None]
    return np.asarray(to_unit_length(others)[places])


def _evaluation(
    table: pl.DataFrame, methods: Sequence[str], failed: pl.DataFrame
) -> PairsEvaluation:
    prompts, sources = prompt_numbers(table), table["source"].to_numpy()
    scores = [score_prompts(name, table[name].to_numpy(), prompts) for name in methods]
    over = []
    if len(set(sources)) > 1:
        over = [score_sources(name, table[name].to_numpy(), prompts, sources) for name in methods]
    groups = {}
    for label in LABELS:
        sizes = table[label].value_counts(name="count")
        names = sizes.sort(["count", label], descending=[True, False])[label].to_list()
        groups[label] = [score_group(name, table.filter(pl.col(label) == name)) for name in names]
    counted = table["world"].fill_null("-").value_counts(normalize=True, name="share")
    shares = counted.sort(["share", "world"], descending=[True, False])
    worlds = dict(zip(shares["world"].to_list(), shares["share"].to_list(), strict=True))
    return PairsEvaluation(table, scores, over, groups, score_group("all", table), worlds, failed)


def score_group(name: str, table: pl.DataFrame) -> GroupScore:
    """The scores of the pictures in `table`, which has a cosine column per method."""
    prompts = prompt_numbers(table)
    error = promised = classes = None
    known = table.filter(pl.col("expected_cosine").is_not_null())
    if known.height:
        expected, found = known["expected_cosine"].to_numpy(), known["answer"].to_numpy()
        error = calibration_error(
            measure_reliability(expected, found, max(1, known.height // PICTURES_PER_BIN))
        )
        promised = float(expected.mean() - found.mean())
    if CLASS_BANK in table.columns:
        classes = float(mean_by_group(table[CLASS_BANK].to_numpy(), prompts).mean())
    return GroupScore(
        answer=score_prompts(name, table["answer"].to_numpy(), prompts),
        constant=float(mean_by_group(table[CONSTANT].to_numpy(), prompts).mean()),
        class_bank=classes,
        calibration_error=error,
        promised=promised,
        outside=float(table["outside"].to_numpy().mean()),
        blank=float(table["blank"].to_numpy().mean()),
    )


def _with_text(
    evaluation: PairsEvaluation,
    rows: pl.DataFrame,
    truth: np.ndarray,
    chosen: pl.DataFrame,
    vectors: np.ndarray,
) -> PairsEvaluation:
    """Add the cosines of composed texts, and the score of the same pictures' answers."""
    places = dict(zip(rows["name"].to_list(), range(rows.height), strict=True))
    own = truth[[places[name] for name in chosen["name"].to_list()]]
    found = pl.DataFrame({"name": chosen["name"], TEXT: np.einsum("nd,nd->n", vectors, own)})
    table = evaluation.table.join(found, on="name", how="left", maintain_order="left")
    scored = table.filter(pl.col(TEXT).is_not_null())
    prompts = prompt_numbers(scored)
    scores = [
        score_prompts(label, scored[column].to_numpy(), prompts)
        for label, column in ((TEXT, TEXT), ("answer to the same pictures", "answer"))
    ]
    fields = {**vars(evaluation), "table": table, "methods": [*evaluation.methods, *scores]}
    return PairsEvaluation(**fields)


def load_truth_encoder(target_space: str, bundle: Path) -> PromptEncoder:
    """The prompt encoder that made the targets: the installed one, else that of the bundle."""
    from unprompt.index.prompt_encoders.target_encoder import load_bulk_prompt_encoder

    try:
        encoder: PromptEncoder | None = load_bulk_prompt_encoder()
    except MissingDependencyError:
        encoder = None
    if encoder is None or encoder.space != target_space:
        encoder = load_matching_encoder(target_space, bundle=bundle)
    if encoder is None:
        raise ConfigError(
            f"the targets of {bundle} are of the space {target_space}, and no prompt encoder of "
            "that space is here; install the one that made the bundle"
        )
    return encoder
