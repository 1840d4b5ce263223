"""A scratch folder -> proof that sdist and wheel install cleanly and every module imports.

The wheel is built from the sdist, installed with only the core dependencies beside PyPA build
(whose folder a package called `build` would overwrite), and each module is imported.
"""

import subprocess
import sys
import tarfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IMPORT_ALL = """
import importlib, pkgutil, sys
import unprompt
names = ["unprompt"]
for module in pkgutil.walk_packages(unprompt.__path__, "unprompt."):
    # training needs torch; its settings are read without
    if module.name.startswith("unprompt.inversion.train.") and not module.name.endswith("config"):
        continue
    importlib.import_module(module.name)
    names.append(module.name)
heavy = {"torch", "open_clip", "sentence_transformers", "transformers", "gradio", "diffusers"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
print(f"{len(names)} modules import with the core dependencies")
"""


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a command, show it, and return what it printed."""
    print("+", *command, flush=True)
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, check=False, text=True, capture_output=True
    )
    if done.returncode:
        sys.exit(f"{done.stdout}\n{done.stderr}\nexit {done.returncode}")
    return done.stdout.strip()


def main(scratch: Path) -> None:
    """Build, install, import."""
    builder, clean = scratch / "builder", scratch / "clean"
    for environment in (builder, clean):
        venv.create(environment, with_pip=True)
    run(builder / "bin/pip", "install", "-q", "build")
    run(
        builder / "bin/python",
        "-m",
        "build",
        "--sdist",
        "--outdir",
        scratch / "dist",
        ROOT,
        cwd=scratch,
    )
    sdist = next((scratch / "dist").glob("*.tar.gz"))
    with tarfile.open(sdist) as archive:
        archive.extractall(scratch / "source", filter="data")
    source = next((scratch / "source").iterdir())
    run(
        builder / "bin/python",
        "-m",
        "build",
        "--wheel",
        "--outdir",
        scratch / "dist",
        source,
        cwd=scratch,
    )
    wheel = next((scratch / "dist").glob("*.whl"))
    run(clean / "bin/pip", "install", "-q", wheel, "build")
    print(run(clean / "bin/unprompt", "--version", cwd=scratch))
    run(clean / "bin/python", "-m", "build", "--version", cwd=scratch)
    print(run(clean / "bin/python", "-c", IMPORT_ALL, cwd=scratch))
    listed = run(clean / "bin/unprompt", "--help", cwd=scratch)
    if "invert" not in listed:
        sys.exit(f"unprompt --help does not list its commands:\n{listed}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
