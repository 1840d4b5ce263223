"""The functions of the library: load a bundle, build one, train a tower, evaluate.

`build`, `train` and `evaluate` call what `unprompt build`, `unprompt train` and `unprompt eval`
call, with the same configs and the same files. Only `unprompt/__init__.py` imports this module.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from unprompt.inversion.inverter import Inverter

if TYPE_CHECKING:
    from unprompt.index.base.progress import Progress
    from unprompt.ui.jobs.evaluation.evaluate_run import Evaluation
    from unprompt.ui.jobs.evaluation.pairs import PairsEvaluation

AnyPath = str | os.PathLike[str]


def load(
    bundle: AnyPath | None = None, *, threads: int | None = None, low_memory: bool = False
) -> Inverter:
    """Load a bundle to invert pictures with; None is the starter that comes with the package.

        inverter = unprompt.load()
        answer = inverter.invert("picture.png")      # one picture: one Inversion
        answers = inverter.invert(["a.png", image])  # several: a list, in the same order

    A picture is a path, bytes, an open file, a Pillow image or a numpy array of shape (h, w),
    (h, w, 2), (h, w, 3) or (h, w, 4): see `Inverter.invert`. The answer's `vector` has the shape
    (d_prompt,), unit length, float32; d_prompt is 384 with the target encoder all-MiniLM-L6-v2.

    bundle: a folder that `build` returned.
    threads: the number of cores that the towers may use; None is all.
    low_memory: free each tower after its part of a call; the next call is slower.

    Raises DamagedFileError for an incomplete or changed bundle, SpaceMismatchError for one whose
    parts were made by different encoders, and MissingDependencyError without FAISS.

    `close`, or the end of a `with` block, frees its networks and files; later calls raise
    ClosedError.

    Threads: several threads may share one inverter. Their calls run at the same time, and each
    thread gets the same answers, bit by bit, that it would get alone. Every process loads its own
    inverter: after a fork, load it in the child.
    """
    return Inverter.load(None if bundle is None else Path(bundle), threads, low_memory)


def build(
    config: AnyPath,
    *,
    output: AnyPath | None = None,
    overrides: Mapping[str, Any] | None = None,
    stages: Sequence[str] | None = None,
    retry_failed: bool = False,
    overwrite: bool = False,
    workers: int | None = None,
    show_progress: bool = False,
) -> Path:
    """Build an index and a bundle from prompts, as `unprompt build` does; returns the bundle.

        bundle = unprompt.build("scenes-tiny", output="runs/mine", overrides={"corpus.count": 800})
        inverter = unprompt.load(bundle)

    A finished run is not built again, and an interrupted one goes on where it stopped.

    config: the name of a preset, or the path of a YAML file.
    output: the run's folder; None is runs/NAME in the working folder.
    overrides: settings in place of the config's, as `section.key: value`.
    stages: run only these, again if they are done: corpus, images, train, encoder, embed, index,
        fallback, fit. None runs every stage that is missing.
    retry_failed: render the failed rows of finished shards again.
    overwrite: delete the stages that were built with other settings.
    workers: the number of processes for rendering and embedding; None lets the stage choose.
    show_progress: report progress on stderr.

    Raises ConfigError for settings that cannot work, and other UnpromptErrors for what a stage
    finds. One run folder has one writer: raises OutputInUseError where another process or thread
    builds it.
    """
    from unprompt.index.engines.engine import EngineConfig
    from unprompt.ui.jobs.build import run_build

    return run_build(
        os.fspath(config),
        None if output is None else Path(output),
        stages,
        overrides or {},
        retry_failed,
        overwrite,
        EngineConfig(workers=workers),
        _progress(show_progress),
    )


def train(
    config: AnyPath,
    kind: Literal["head", "clip"] = "head",
    *,
    output: AnyPath | None = None,
    overrides: Mapping[str, Any] | None = None,
    resume: str = "latest",
    show_progress: bool = False,
) -> Path:
    """Train on a run's pictures, as `unprompt train` does; returns the folder of the export.

    Builds the stages corpus and images first if they are missing. `build` with the same config then
    makes the bundle from the trained tower.

    config, output, overrides, show_progress: as for `build`.
    kind: "head" trains a tower and its regression head by the section `train:` of the config,
        "clip" a whole CLIP by the section `clip:`.
    resume: "latest" goes on from the last checkpoint, "none" starts again; or a checkpoint's path.

    Raises ConfigError for a config without the section, TrainingDivergedError for a loss that is
    not finite, and MissingDependencyError without the extra `train`.
    """
    from unprompt.ui.jobs.build import run_training
    from unprompt.ui.jobs.config import CLIP, TRAIN

    return run_training(
        os.fspath(config),
        None if output is None else Path(output),
        overrides or {},
        resume,
        TRAIN if kind == "head" else CLIP,
        _progress(show_progress),
    )


def evaluate(
    config: AnyPath,
    *,
    output: AnyPath | None = None,
    overrides: Mapping[str, Any] | None = None,
    texts: int = 0,
    text_bank: bool = False,
    show_progress: bool = False,
) -> "Evaluation":
    """Score every method on the held-out test pictures of a run, as `unprompt eval` does.

    Builds the run first if it is not finished. `scores` of the result holds one MethodScore per
    method: `method`, `mean_cosine` to the vectors of the true prompts, `ci95` (its bootstrap
    interval) and `n`, the number of pictures. `leaks` holds, among others, `highest_cosine` of a
    train prompt to a held-out prompt.

    config, output, overrides, show_progress: as for `build`.
    texts: the number of composed prompts to score as text, too; each takes a fraction of a second.
    text_bank: also score a search among the prompts themselves, by the text tower of the CLIP.

    Raises ConfigError for settings that cannot work.
    """
    from unprompt.ui.jobs.build import build_run
    from unprompt.ui.jobs.config import load_config
    from unprompt.ui.jobs.evaluation.evaluate_run import evaluate_run
    from unprompt.ui.jobs.run import run_folder

    loaded = load_config(os.fspath(config), overrides or {})
    folder = run_folder(None if output is None else Path(output), loaded)
    build_run(folder, loaded, progress=_progress(show_progress))
    return evaluate_run(folder, loaded, texts, text_bank)


def evaluate_pairs(
    pairs: AnyPath,
    *,
    bundle: AnyPath | None = None,
    answers: AnyPath | None = None,
    limit: int | None = None,
    texts: int = 0,
    show_progress: bool = False,
) -> "PairsEvaluation":
    """Score a bundle on pictures with known prompts, as `unprompt eval --pairs` does.

        found = unprompt.evaluate_pairs("shards", bundle="runs/mine/bundle", limit=500)
        for score in found.methods:
            print(score.name, score.mean_cosine, score.ci95, score.success)

    `methods` of the result holds one PromptScore per method, `groups` the scores by source,
    generator and kind, and `table` one row per picture. Means and intervals count prompts, not
    pictures.

    pairs: a folder of webdataset tars, a table of paths and prompts, or a folder of pictures with
        a .txt file each.
    bundle: the bundle's folder; None is the starter.
    answers: a folder for finished answers, so that a killed evaluation goes on; None keeps none.
    limit: the maximum number of pictures, chosen by a hash; None takes all.
    texts: the number of composed prompts to score as text, too.
    show_progress: report progress on stderr.

    Raises CorpusError where no pair can be read.
    """
    from unprompt.ui.jobs.evaluation.pairs import evaluate_pairs as evaluate_all

    return evaluate_all(
        Path(pairs),
        None if bundle is None else Path(bundle),
        None if answers is None else Path(answers),
        limit,
        texts,
        _progress(show_progress),
    )


def _progress(shown: bool) -> "Progress":
    from unprompt.index.base.progress import SILENT
    from unprompt.ui.jobs.progress import choose_progress

    return choose_progress() if shown else SILENT
