"""Train every variant from three seeds and compare scores: gain of each part of training.

`python benchmarks/ablation.py` writes docs/ablation.*; it takes hours.

Every variant is a run of the product itself (`unprompt build`, `unprompt eval`) with a small tower
and small pictures, trained from three seeds. Runs are kept in --runs: a killed benchmark goes on.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
BASE: dict[str, Any] = {
    "corpus": {
        "source": "scenes", "count": 23500, "seed": 11, "dedupe_threshold": 0.95,
        "validation": 500, "test": 1500, "max_train": 5000,
    },
    "render": {"size_px": 128, "images_per_shard": 500},
    "encoder": {"model": "efficientnet-lite0", "image_size": 96, "output": "prediction"},
    "train": {
        "tower": {"model": "efficientnet-lite0", "image_size": 96},
        "head": {"kind": "mlp", "width": 512},
        "tuning": {"frozen": 0.56, "lora": 0.0},
        "stages": [{"epochs": 3, "learning_rate": 1e-3}],
        "batch_size": 64, "layer_decay": 1.0, "ema": None,
    },
    "fit": {"neighbors": [20, 50, 100], "phrases": 0},
    "fallback": None,
}  # fmt: skip
FROZEN = {"encoder.output": "features", "train": None, "index.whiten": 256}
# name -> what it shows, and the settings that differ from BASE
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "frozen": ("frozen tower, ridge head", FROZEN),
    "mlp": ("frozen tower, MLP head", {"train.tuning.frozen": 1.0}),
    "lora": ("LoRA on the top, MLP head", {"train.tuning.lora": 0.44}),
    "winner": (
        "1st place's layout: 40% frozen, 40% LoRA, 20% in full",
        {"train.tuning.frozen": 0.4, "train.tuning.lora": 0.4},
    ),
    "full": ("top trained in full, MLP head (the base of all below)", {}),
    "lpft": ("... LP-FT: head alone in the first epoch", {"train.stages.0.head_only_epochs": 1}),
    "ema": ("... EMA 0.99", {"train.ema": 0.99}),
    "llrd": ("... layer-wise learning-rate decay 0.8", {"train.layer_decay": 0.8}),
    "contrastive": ("contrastive fine-tuning, CLIP's own image vector", {"contrastive": True}),
    "2k": ("... 2,000 prompts", {"corpus.max_train": 2000}),
    "10k": ("... 10,000 prompts", {"corpus.max_train": 10000}),
    "20k": ("... 20,000 prompts", {"corpus.max_train": 20000}),
    "2seeds": ("... 5,000 prompts, two renders each", {"render.seeds_per_prompt": 2}),
}
METHODS = ("knn", "head", "blend")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "ablation")
    parser.add_argument("--seeds", type=int, default=3, help="training seeds a variant")
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 1)))
    parser.add_argument("--only", nargs="*", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--epochs", type=int, help="shorter runs, to try the benchmark out")
    parser.add_argument(
        "--finished", action="store_true", help="report what is trained, train nothing"
    )
    parser.add_argument("--docs", type=Path, default=ROOT / "docs")
    asked = parser.parse_args()
    jobs = [
        (name, seed, asked)
        for seed in range(asked.seeds)
        for name in asked.only
        if seed == 0 or name != "frozen"  # its ridge has no seed
    ]
    shared = {_pictures(_config(name, 0, asked.epochs)): name for name in asked.only}
    if asked.finished:
        jobs = [job for job in jobs if _is_trained(asked.runs / f"{job[0]}-{job[1]}")]
    else:
        for name in shared.values():
            _share_pictures(name, asked)
    with ThreadPoolExecutor(asked.jobs) as pool:
        found = list(pool.map(lambda job: _score(*job), jobs))
    table: dict[str, list[dict[str, float]]] = {}
    for (name, _, _), scores in zip(jobs, found, strict=True):
        table.setdefault(name, []).append(scores)
    asked.docs.mkdir(parents=True, exist_ok=True)
    (asked.docs / "ablation.json").write_text(json.dumps(table, indent=1) + "\n")
    (asked.docs / "ablation.md").write_text(_report(table), encoding="utf-8")
    _plot(table, asked.docs / "ablation.png")
    sys.stdout.write(_report(table))


def _config(name: str, seed: int, epochs: int | None) -> dict[str, Any]:
    content = json.loads(json.dumps(BASE))
    for path, value in VARIANTS[name][1].items():
        place: Any = content
        *sections, last = path.split(".")
        for section in sections:
            place = place[int(section)] if section.isdigit() else place.setdefault(section, {})
        place[last] = value
    if epochs is not None and content["train"]:
        content["train"]["stages"][0]["epochs"] = epochs
    if content.pop("contrastive", False):
        content["encoder"] = {"model": "efficientnet-lite0", "image_size": 96}
        content["clip"] = {
            "model": "efficientnet-lite0", "image_size": 96,
            **{part: content["train"][part] for part in ("tuning", "stages", "batch_size", "ema")},
            "seed": seed,
        }  # fmt: skip
        content["train"] = None
    if content["train"] is None:
        del content["train"]
    else:
        content["train"]["seed"] = seed
    return content


def _pictures(content: dict[str, Any]) -> str:
    seeds = content["render"].get("seeds_per_prompt", 1)
    return f"pictures-{content['corpus']['max_train']}-{seeds}"


def _share_pictures(name: str, asked: argparse.Namespace) -> None:
    """Corpus and pictures are made once for all variants that have them in common."""
    content = _config(name, 0, asked.epochs)
    run = asked.runs / _pictures(content)
    _unprompt(content, run, "build", "--stage", "corpus", "--stage", "images", threads=0)


def _is_trained(run: Path) -> bool:
    return (run / "bundle" / "index" / "manifest.json").is_file()


def _score(name: str, seed: int, asked: argparse.Namespace) -> dict[str, float]:
    content = _config(name, seed, asked.epochs)
    run, shared = asked.runs / f"{name}-{seed}", asked.runs / _pictures(content)
    (run / "stages").mkdir(parents=True, exist_ok=True)
    for part in ("corpus", "images"):
        if not (run / part).exists():
            (run / part).symlink_to(shared / part)
            shutil.copy(shared / "stages" / f"{part}.json", run / "stages")
    threads = max(1, (os.cpu_count() or 1) // asked.jobs)
    if "clip" in content:
        if not asked.finished:
            _unprompt(content, run, "train", "clip", threads=threads)
        content["encoder"]["model"] = f"local-dir:{run / 'clip' / 'export'}"
    report = json.loads(_unprompt(content, run, "eval", "--json", threads=threads))
    scores = {entry["method"]: entry["mean_cosine"] for entry in report["methods"]}
    return {method: scores[method] for method in METHODS}


def _unprompt(content: dict[str, Any], run: Path, *command: str, threads: int) -> str:
    run.mkdir(parents=True, exist_ok=True)
    config = run / "ablation.yaml"
    config.write_text(yaml.safe_dump(content))
    verb = list(command[:2]) if command[0] == "train" else list(command[:1])
    rest = command[len(verb) :]
    environment = {**os.environ, **({"OMP_NUM_THREADS": str(threads)} if threads else {})}
    done = subprocess.run(
        [sys.executable, "-m", "unprompt.ui.cli.main", *verb, str(config), "-o", str(run), *rest],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"{run.name}: {done.stderr[-3000:]}")
    sys.stderr.write(f"{run.name}: {' '.join(verb)} done\n")
    return done.stdout


def _report(table: dict[str, list[dict[str, float]]]) -> str:
    asked_seeds = max(len(runs) for runs in table.values())
    lines = [
        "# What each part of training is worth",
        "",
        "`python benchmarks/ablation.py` makes this page. Mean cosine on 1,500 leak-free test "
        "prompts of the scenes world; efficientnet-lite0 at 96 px, 5,000 training prompts, 3 "
        "epochs unless a row says otherwise. Mean over training seeds, +- standard deviation "
        "between them. kNN keys are the predicted vectors unless a row says otherwise.",
        "",
        "| variant | kNN | head | blend | blend - head |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, runs in table.items():
        what = VARIANTS[name][0] + (f" ({len(runs)} seeds)" if 1 < len(runs) < asked_seeds else "")
        gain = statistics.mean(run["blend"] - run["head"] for run in runs)
        cells = " | ".join(_cell([run[method] for run in runs]) for method in METHODS)
        lines.append(f"| {what} | {cells} | {gain:+.4f} |")
    return "\n".join([*lines, "", "![the same as a plot](ablation.png)", ""])


def _cell(values: list[float]) -> str:
    spread = f" +- {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.4f}{spread}"


def _plot(table: dict[str, list[dict[str, float]]], path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 0.5 * len(table) + 1.5), layout="constrained")
    canvas, axes = FigureCanvasAgg(figure), figure.subplots()
    names = list(table)[::-1]
    for shift, method in zip((-0.22, 0.0, 0.22), METHODS, strict=True):
        values = [[run[method] for run in table[name]] for name in names]
        spread = [statistics.stdev(v) if len(v) > 1 else 0.0 for v in values]
        places = [place - shift for place in range(len(names))]
        means = [statistics.mean(v) for v in values]
        axes.errorbar(means, places, xerr=spread, fmt="o", capsize=3, label=method)
    axes.set_yticks(range(len(names)), [VARIANTS[name][0] for name in names])
    axes.set_xlabel("mean cosine on test prompts")
    axes.grid(alpha=0.3)
    axes.legend()
    canvas.print_figure(path, dpi=120)


if __name__ == "__main__":
    main()
