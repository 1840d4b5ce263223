"""Do neighbors still help a trained head, and by which keys? `python benchmarks/retrieval.py RUN`

RUN is a finished run with a section `train:` and `encoder.output: features`. For each kind of key:
mean cosine on the test split of kNN and of the blend, both tuned on validation. One JSON line each.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from unprompt.build.corpus.corpus import read_corpus
from unprompt.index.bundle.run_folder import RunFolder
from unprompt.index.encoders.protocols import to_unit_length
from unprompt.index.towers.trained_tower import read_head
from unprompt.inversion.estimate.blend import mean_cosine, mix
from unprompt.inversion.estimate.head import HeadDescription, trained_head
from unprompt.inversion.fit.evaluate import score
from unprompt.inversion.fit.fit import LabelledKeys, labelled_keys
from unprompt.inversion.fit.search import choose_alpha

NEIGHBORS = (10, 20, 50, 100, 200)
TEMPERATURES = (0.02, 0.03, 0.05, 0.07, 0.1, 0.15)
WHITENED = (64, 128, 256, 384)


class Split(NamedTuple):
    """Pictures of one split."""

    features: np.ndarray
    predicted: np.ndarray
    truth: np.ndarray
    prompts: np.ndarray  # number of each picture's prompt


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    run = RunFolder(parser.parse_args().run)
    corpus = read_corpus(run.corpus)
    matrices = read_head(run.export("train"))
    splits = [
        _predict(labelled_keys(run.image_embeddings, name, corpus), matrices)
        for name in ("train", "validation", "test")
    ]
    train, validation, test = splits
    print(json.dumps({"keys": "none: the head alone", **_shown(test.predicted, test)}))
    for name, keys in _keys(train, validation, test):
        print(json.dumps({"keys": name, **_measure(keys, train.truth, validation, test)}))


def _predict(found: LabelledKeys, matrices: dict[str, np.ndarray]) -> Split:
    head = trained_head(matrices, HeadDescription("trained", "", "", None, 0, 0.0))
    return Split(found.keys, head.predict(found.keys), found.truth, found.prompts)


def _keys(*splits: Split) -> Iterator[tuple[str, list[np.ndarray]]]:
    predicted = [split.predicted for split in splits]
    yield "predictions", predicted
    yield "text (vectors of the prompts)", [splits[0].truth, *predicted[1:]]
    for dims in WHITENED:
        yield f"predictions whitened to {dims}", _whiten(predicted, dims)
    for dims in WHITENED:
        yield f"features whitened to {dims}", _whiten([split.features for split in splits], dims)


def _whiten(keys: list[np.ndarray], dims: int) -> list[np.ndarray]:
    mean = keys[0].mean(axis=0)
    variances, directions = np.linalg.eigh(np.cov((keys[0] - mean).T))
    best = np.argsort(-variances)[:dims]
    matrix = directions[:, best] / np.sqrt(variances[best])
    return [to_unit_length((part - mean) @ matrix) for part in keys]


def _measure(
    keys: list[np.ndarray], targets: np.ndarray, validation: Split, test: Split
) -> dict[str, object]:
    tried = {
        setting: (vectors, *choose_alpha(vectors, validation.predicted, validation.truth))
        for setting, vectors in _estimates(keys[1], keys[0], targets, NEIGHBORS)
    }
    alone = max(tried, key=lambda setting: mean_cosine(tried[setting][0], validation.truth))
    together = max(tried, key=lambda setting: tried[setting][2])
    alpha = tried[together][1]
    on_test = dict(_estimates(keys[2], keys[0], targets, NEIGHBORS))
    blend = mix(on_test[together], test.predicted, alpha)
    return {
        "knn": round(mean_cosine(on_test[alone], test.truth), 4),
        "alpha": alpha,
        "k": together[0],
        "temperature": together[1],
        **_shown(blend, test),
    }


def _shown(vectors: np.ndarray, test: Split) -> dict[str, object]:
    found = score("", vectors, test.truth, test.prompts)
    return {
        "mean_cosine": round(found.mean_cosine, 4),
        "ci95": [round(edge, 4) for edge in found.ci95],
        "n": found.n,
    }


def _estimates(
    queries: np.ndarray, keys: np.ndarray, targets: np.ndarray, neighbors: tuple[int, ...]
) -> Iterator[tuple[tuple[int, float], np.ndarray]]:
    scores = queries @ keys.T
    rows = np.argsort(-scores, axis=1)[:, : max(neighbors)]
    scores = np.take_along_axis(scores, rows, axis=1)
    gathered = targets[rows]
    for k in neighbors:
        for temperature in TEMPERATURES:
            weights = np.exp((scores[:, :k] - scores[:, :1]) / temperature)
            weighted = np.einsum("qk,qkd->qd", weights, gathered[:, :k])
            yield (k, temperature), to_unit_length(weighted)


if __name__ == "__main__":
    main()
