"""Time to compose a prompt with the starter, and the score of its text.

`python benchmarks/compose.py` -> JSON on stdout. Pictures of fresh scenes prompts, none of them
within MiniLM cosine 0.8 of a prompt of the starter's index; mean cosines are to the true prompts.
"""

import argparse
import json
import os
import sys
import time

import numpy as np
from PIL import Image

from unprompt.build.scenes.grammar import sample_prompts
from unprompt.build.scenes.renderer import ScenesRenderer
from unprompt.inversion.estimate.candidates import read_candidates
from unprompt.inversion.inverter import Inverter

LEAK = 0.8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=200)
    asked = parser.parse_args()
    inverter = Inverter.load()
    composer = inverter.composer
    if composer is None or composer.encoder is None:
        raise SystemExit("composing needs the extra `build`")
    prompts = sample_prompts(3 * asked.pictures, 777)
    vectors = composer.encoder.encode(prompts)
    known = np.asarray(inverter.index.targets, dtype=np.float32)
    fresh = np.flatnonzero((vectors @ known.T).max(axis=1) < LEAK)[: asked.pictures]
    drawn = ScenesRenderer(256).render([prompts[n] for n in fresh], fresh.tolist())
    pictures = [Image.fromarray(picture) for picture in drawn]
    estimates = inverter.estimate([member.encoder.encode(pictures) for member in inverter.members])
    texts, nearest, seconds = [], [], []
    for place, vector in enumerate(estimates.blend):
        found = read_candidates(inverter.index, estimates.knn, place, vector)
        nearest.append(max(found, key=lambda candidate: candidate.similarity).prompt)
        begun = time.perf_counter()
        texts.append(composer.compose(vector, [candidate.row for candidate in found]).text)
        seconds.append(time.perf_counter() - begun)
    truth = vectors[fresh]
    report = {
        "pictures": len(fresh),
        "median_ms": round(1000 * float(np.median(seconds[1:]))),
        "p90_ms": round(1000 * float(np.quantile(seconds[1:], 0.9))),
        "vector": cosine(estimates.blend, truth),
        "composed_text": cosine(composer.encoder.encode(texts), truth),
        "nearest_prompt": cosine(composer.encoder.encode(nearest), truth),
        "cores": os.cpu_count(),
        "load_average": os.getloadavg()[0],
    }
    sys.stdout.write(json.dumps(report) + "\n")


def cosine(vectors: np.ndarray, truth: np.ndarray) -> float:
    """The mean cosine of rows."""
    return round(float(np.einsum("nd,nd->n", vectors, truth).mean()), 4)


if __name__ == "__main__":
    main()
