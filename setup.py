"""The packages of the distribution, found in the tree: a new folder needs no entry anywhere.

Each top folder installs inside `unprompt`: a bare `build` in site-packages would overwrite PyPA's.
"""

from pathlib import Path

from setuptools import setup

FLOORS = ("index", "build", "inversion", "ui")
FOLDERS = sorted(path.parent for floor in FLOORS for path in Path(floor).rglob("__init__.py"))

setup(
    packages=["unprompt", *(f"unprompt.{'.'.join(folder.parts)}" for folder in FOLDERS)],
    package_dir={f"unprompt.{floor}": floor for floor in FLOORS},
)
