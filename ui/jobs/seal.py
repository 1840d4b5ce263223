"""`unprompt seal`: a bundle -> the same bundle with records of its files as they are now."""

from pathlib import Path

from unprompt.index.base.errors import DamagedFileError
from unprompt.index.bundle.bundle import BLEND, INDEX, seal_again
from unprompt.index.store.manifest import MANIFEST


def seal_folder(folder: Path) -> None:
    """Seal a bundle again and print its root digest; raises DamagedFileError for other folders."""
    if not (folder / BLEND).is_file() or not (folder / INDEX / MANIFEST).is_file():
        raise DamagedFileError(
            f"{folder} is no bundle (wanted {BLEND} and {INDEX}/{MANIFEST} in it); run `unprompt "
            "build` to make one"
        )
    manifest = seal_again(folder)
    print(f"{folder}: {len(manifest.files)} files and {len(manifest.indexes)} indexes sealed")
    print(f"root {manifest.root}")
