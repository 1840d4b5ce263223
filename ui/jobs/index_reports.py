"""`unprompt index info|verify|export`: an index, bundle or run folder -> a report or a copy."""

from pathlib import Path

from unprompt.index.base.errors import DamagedFileError
from unprompt.index.base.settings import write_settings
from unprompt.index.bundle.bundle import INDEX, read_bundle
from unprompt.index.bundle.run_folder import RunFolder
from unprompt.index.sealed.seal import SEAL
from unprompt.index.search.effort import Effort
from unprompt.index.store.export import export_index
from unprompt.index.store.manifest import MANIFEST, IndexManifest, read_index_manifest
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.texts.json_text import json_text


def find_index(folder: Path) -> Path:
    """The index folder in an index, bundle or run folder; raises DamagedFileError without one."""
    candidates = (folder, folder / INDEX, RunFolder(folder).index)
    for candidate in candidates:
        if (candidate / MANIFEST).is_file():
            return candidate
    raise DamagedFileError(
        f"no finished index in {folder} (looked for {MANIFEST} there, in {INDEX}/ and in "
        f"bundle/{INDEX}/); run `unprompt build CONFIG` to make one"
    )


def show_index(folder: Path, as_json: bool) -> None:
    """Print the manifest."""
    manifest = read_index_manifest(find_index(folder))
    if as_json:
        print(json_text(write_settings(manifest), indent=2))
        return
    print("\n".join(f"{name:<14} {value}" for name, value in _lines(manifest)))


def verify_index(folder: Path) -> None:
    """Hash every file of the index, and of its bundle if it lies in one."""
    place = find_index(folder)
    PromptIndex.load(place).verify()
    if (place.parent / SEAL).is_file():
        read_bundle(place.parent)
        place = place.parent
    print(f"{place}: every file matches its digest")


def export_rows(folder: Path, output: Path) -> None:
    """Write keys and rows of the index in the layout of clip-retrieval."""
    count = export_index(find_index(folder), output)
    print(f"{output}: {count:,} rows")


def _lines(manifest: IndexManifest) -> list[tuple[str, str]]:
    recall = manifest.recall
    measured = "not measured"
    if recall is not None:
        measured = f"{recall.value} at k {recall.k}, {recall.queries} queries"
        if recall.generation != manifest.generation:
            measured += f", of generation {recall.generation}"
    size = sum(record.size_bytes for record in manifest.files.values())
    return [
        ("rows", f"{manifest.ntotal:,} of {manifest.prompts:,} prompts"),
        (
            "generation",
            f"{manifest.generation}, {manifest.stored - manifest.ntotal:,} rows removed",
        ),
        ("keys", f"{manifest.keys}, {manifest.dim} numbers, {manifest.metric}"),
        ("encoder space", manifest.space),
        ("target space", f"{manifest.target_space}, {manifest.target_dim} numbers"),
        ("factory", manifest.factory),
        *([] if manifest.lists is None else [("lists on disk", manifest.lists)]),
        ("recall", measured),
        ("search", _effort(manifest.effort)),
        ("size", f"{size / 2**20:.1f} MiB"),
        *((name, record.sha256) for name, record in manifest.files.items()),
    ]


def _effort(effort: Effort) -> str:
    """The search effort in words."""
    said = (
        f"{effort.nprobe} lists" if effort.nprobe else "",
        f"a breadth of {effort.ef_search}" if effort.ef_search else "",
        f"{effort.refine} candidates a row, scored exactly" if effort.refine else "",
    )
    return ", ".join(part for part in said if part) or "all rows"
