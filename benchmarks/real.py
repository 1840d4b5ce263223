"""How well do predictors recover the prompts of real pictures of a collection they never saw?

`python benchmarks/real.py --folder PAIRS` leaves one source out at a time and prints
the mean cosine by source: averaged over the pictures of a prompt, then over prompts, and last over
sources. Intervals resample prompts. `--methods` chooses predictors; `--output` keeps the features
and gets real.json. A tuned model takes part with `--add NAME=FILE.py:FUNCTION`: a function
(train rows, test rows) -> vectors (n, 384) of the test rows, as those in real_predictors.py; the
rows are `RealRows`. `--only` measures some of the sources.
"""

import argparse
import importlib.util
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from real_predictors import KernelRidge, Ready, Ridge, Starter, constant
from real_rows import Predict, RealRows, folds, read_real

from unprompt.index.base.durable import digest_json, write_json
from unprompt.index.encoders.protocols import to_unit_length
from unprompt.index.exported.bulk import encode_contents
from unprompt.index.pairs.labelled_pairs import iterate_pictures
from unprompt.inversion.estimate.knn import estimate
from unprompt.inversion.fit.by_prompt import PromptScore, score_prompts, score_sources
from unprompt.inversion.inverter import STARTER, Inverter
from unprompt.ui.jobs.evaluation.pair_answers import answers_digest, find_class_bank
from unprompt.ui.jobs.train.pairs import load_pairs_config

LITE2, LITE0 = "efficientnet-lite2", "efficientnet-lite0"
FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data" / "real"
PREDICTORS: dict[str, Predict] = {
    "constant": constant,
    "class": Ready("class"),
    "classes": Ready("classes"),
    "ridge": Ridge((LITE2,)),
    "ridge-both": Ridge((LITE2, LITE0)),
    "kernel": KernelRidge((LITE2,)),
    "kernel-both": KernelRidge((LITE2, LITE0)),
    "starter": Starter(load_pairs_config("real")),
    "kernel-classes": KernelRidge((LITE2, LITE0), extra=(("classes", 0.7),)),
}
DEFAULT = ("constant", "class", "classes", "ridge")
Cosines = dict[str, np.ndarray]  # by method, (n,)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="tars of real pairs, by kind")
    parser.add_argument("--output", type=Path, default=Path("runs/real"))
    parser.add_argument("--methods", nargs="+", choices=list(PREDICTORS), default=list(DEFAULT))
    parser.add_argument("--add", nargs="+", default=[], metavar="NAME=FILE.py:FUNCTION")
    parser.add_argument("--only", nargs="+", help="starts of names of test sources")
    asked = parser.parse_args()
    if not asked.folder.is_dir():
        print(f"no real pairs in {asked.folder}: name their folder with --folder", file=sys.stderr)
        return
    two = ("ridge-both", "kernel-both", "kernel-classes", "starter")
    both = any(method in two for method in asked.methods)
    rows = read_real(asked.folder, asked.output, (LITE2, LITE0) if both else (LITE2,))
    if any("class" in method for method in asked.methods):
        rows = with_classes(rows, asked.output)
    predictors = {name: PREDICTORS[name] for name in asked.methods}
    predictors |= dict(map(load_predictor, asked.add))
    report(measure(rows, predictors, tuple(asked.only or [""])), asked.output)


def load_predictor(given: str) -> tuple[str, Predict]:
    """`NAME=FILE.py:FUNCTION` -> the name and the function."""
    name, _, place = given.partition("=")
    path, _, function = place.rpartition(":")
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    if spec is None or spec.loader is None or not Path(path).is_file():
        raise SystemExit(f"--add wants NAME=FILE.py:FUNCTION, got {given!r}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return name, getattr(module, function)


def with_classes(rows: RealRows, cache: Path) -> RealRows:
    """Add the ImageNet answers of the starter's class bank as features.

    `class` is the prompt of the best class, `classes` the mean over the best classes.
    """
    identity = [answers_digest(STARTER), rows.table.select("name", "size").to_dicts()]
    path = cache / f"class-answers-{digest_json(identity)[:12]}.npz"
    if not path.is_file():
        bank = find_class_bank(Inverter.load(STARTER))
        if bank is None:
            raise SystemExit("the starter has no class bank; leave class and classes out")
        found = encode_contents(bank.encoder, iterate_pictures(rows.table))  # type: ignore[arg-type]
        mixed = estimate(bank.classes, np.stack([vector for _, vector in found]), bank.knn)
        best = np.asarray(bank.classes.targets[mixed.neighbors.rows[:, 0]], np.float32)
        np.savez(path, **{"class": to_unit_length(best), "classes": mixed.vectors})
    with np.load(path) as answers:
        return RealRows(rows.table, rows.targets, {**rows.features, **answers})


def measure(
    rows: RealRows,
    predictors: Mapping[str, Predict],
    only: tuple[str, ...] = ("",),
    **settings: float,
) -> dict[str, list[PromptScore]]:
    """The scores of each method by source, and `mean` last; `settings` go to `folds`.

    `only` holds the starts of the names of the sources to measure.
    """
    cosines: dict[str, list[np.ndarray]] = {name: [] for name in predictors}
    prompts, sources = [], []
    for fold in folds(rows, **settings):  # type: ignore[arg-type]
        if not fold.source.startswith(only):
            continue
        for name, predict in predictors.items():
            vectors = predict(fold.train, fold.test)
            cosines[name].append(np.einsum("nd,nd->n", vectors, fold.test.targets))
        prompts.append(fold.test.prompts)
        sources.append(fold.source)
        print(f"{fold.source}: {len(fold.test.targets)} pictures", file=sys.stderr)
    return {name: _scores(name, found, prompts, sources) for name, found in cosines.items()}


def _scores(
    method: str,
    cosines: Sequence[np.ndarray],
    prompts: Sequence[np.ndarray],
    sources: Sequence[str],
) -> list[PromptScore]:
    scores = [
        score_prompts(source, found, own)
        for source, found, own in zip(sources, cosines, prompts, strict=True)
    ]
    offsets = np.cumsum([0, *(own.max() + 1 for own in prompts)])
    numbers = [own + start for own, start in zip(prompts, offsets, strict=False)]
    labels = np.repeat(sources, [len(found) for found in cosines])
    mean = score_sources("mean", np.concatenate(cosines), np.concatenate(numbers), labels)
    return [*scores, mean]


def report(scores: Mapping[str, Sequence[PromptScore]], output: Path) -> None:
    """Print a Markdown table and write real.json."""
    methods = list(scores)
    print(f"| source | {' | '.join(methods)} | prompts | pictures |")
    print(f"| --- |{' ---: |' * (len(methods) + 2)}")
    for parts in zip(*scores.values(), strict=True):
        cells = [f"{s.mean_cosine:.3f} ({s.ci95[0]:.3f}-{s.ci95[1]:.3f})" for s in parts]
        first = parts[0]
        print(f"| {first.name} | {' | '.join(cells)} | {first.prompts} | {first.pictures} |")
    summary = {name: [score.as_json() for score in found] for name, found in scores.items()}
    write_json(output / "real.json", summary)
    means = {name: round(found[-1].mean_cosine, 4) for name, found in scores.items()}
    print(json.dumps(means), file=sys.stderr)


if __name__ == "__main__":
    main()
