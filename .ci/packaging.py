"""Builds sdist and wheel in a scratch folder, installs the wheel and imports every module.

The wheel is built from the sdist and installed with the core dependencies alone, next to PyPA's
`build`, which a top-level package of that name would overwrite.
"""

import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FACE = {f"unprompt/{name}" for name in ("__init__.py", "__main__.py", "api.py", "py.typed")}
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
USE_LIBRARY = """
import sys
import unprompt
assert "numpy" not in sys.modules, "import unprompt is not light"
assert all(getattr(unprompt, name) for name in unprompt.__all__)
print(unprompt.__version__)
"""


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a command and return its output; exits with that output if the command fails."""
    print("+", *command, flush=True)
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, check=False, text=True, capture_output=True
    )
    if done.returncode:
        sys.exit(f"{done.stdout}\n{done.stderr}\nexit {done.returncode}")
    return done.stdout.strip()


def _members(sdist: Path) -> list[str]:
    """The paths in an sdist, without the folder that it unpacks into."""
    with tarfile.open(sdist) as archive:
        return [name.partition("/")[2] for name in archive.getnames()]


def main(scratch: Path) -> None:
    """Build both archives, check what they hold, install the wheel, and use it."""
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
    for name, files in (("wheel", zipfile.ZipFile(wheel).namelist()), ("sdist", _members(sdist))):
        missing = FACE - set(files)
        if missing:
            sys.exit(f"the {name} lacks {', '.join(sorted(missing))}")
    run(clean / "bin/pip", "install", "-q", wheel, "build")
    version = run(clean / "bin/python", "-c", USE_LIBRARY, cwd=scratch)
    for command in ([clean / "bin/unprompt"], [clean / "bin/python", "-m", "unprompt"]):
        shown = run(*command, "--version", cwd=scratch)
        if shown != f"unprompt {version}":
            sys.exit(f"{command} --version shows {shown!r}, unprompt.__version__ is {version}")
    print(f"unprompt {version}")
    run(clean / "bin/python", "-m", "build", "--version", cwd=scratch)
    print(run(clean / "bin/python", "-c", IMPORT_ALL, cwd=scratch))
    listed = run(clean / "bin/unprompt", "--help", cwd=scratch)
    if "invert" not in listed:
        sys.exit(f"unprompt --help does not list its commands:\n{listed}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
