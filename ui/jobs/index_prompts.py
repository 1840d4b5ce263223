"""`unprompt index prompts`: prompt files -> FOLDER/index and FOLDER/phrases."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from unprompt.build.keys.index_prompts import FACTORY, EncodedPrompts, index_prompts
from unprompt.build.make.captions import encode_captions
from unprompt.index.base.durable import read_json, write_json
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.owner import owned
from unprompt.index.bundle.bundle import INDEX, PHRASES
from unprompt.index.store.manifest import IndexManifest, read_index_manifest
from unprompt.index.texts.json_text import json_text
from unprompt.inversion.compose.phrases import make_bank, save_bank
from unprompt.ui.jobs.make.make import PromptSource
from unprompt.ui.jobs.progress import choose_progress

PROSE = r"[.:!?] "  # phrases come from prompts without sentences: they fit any other
MADE = "made.json"  # what the folder was made of, written last


@dataclass(frozen=True)
class PromptIndexSettings:
    """How the prompts are stored, and how many phrases are kept to compose of."""

    factory: str = FACTORY
    phrases: int = 3000
    least: int = 3  # prompts with the same phrase

    def __post_init__(self) -> None:
        if self.phrases < 0 or self.least < 1:
            raise ConfigError(
                "--phrases must be 0 or more and --least-uses 1 or more, got "
                f"{self.phrases} and {self.least}"
            )


def index_prompt_files(
    source: PromptSource, folder: Path, settings: PromptIndexSettings, as_json: bool
) -> None:
    """Index prompts by their own vectors; a rerun continues, a finished folder is left as it is."""
    with owned(folder):
        manifest = _index(source, folder, settings)
    _report(folder, manifest, as_json)


def _index(source: PromptSource, folder: Path, settings: PromptIndexSettings) -> IndexManifest:
    progress = choose_progress()
    asked = {**source.identity(), **settings.__dict__}
    if (folder / MADE).is_file():
        if read_json(folder / MADE) != asked:
            raise ConfigError(
                f"{folder} was made of other prompts or settings; choose another --output"
            )
        progress.note(f"{folder} was made before of the same prompts")
        return read_index_manifest(folder / INDEX)
    from unprompt.index.prompt_encoders.target_encoder import load_bulk_prompt_encoder

    encoder, prompts = load_bulk_prompt_encoder(), source.read()
    work = folder / "vectors"
    vectors = encode_captions(work, prompts, encoder, progress).whole()
    encoded = EncodedPrompts(prompts, vectors, encoder.space)
    manifest = index_prompts(folder / INDEX, encoded, settings.factory, progress)
    if settings.phrases:
        plain = prompts["prompt"].filter(~prompts["prompt"].str.contains(PROSE))
        bank = make_bank(plain.sort(), encoder, settings.phrases, settings.least)
        (folder / PHRASES).mkdir(exist_ok=True)
        save_bank(folder / PHRASES, bank)
    write_json(folder / MADE, asked)
    shutil.rmtree(work)
    return manifest


def _report(folder: Path, manifest: IndexManifest, as_json: bool) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    if as_json:
        told = {"folder": str(folder), "rows": manifest.ntotal, "bytes": size}
        print(json_text({**told, "factory": manifest.factory, "space": manifest.space}, indent=2))
    else:
        print(f"{folder}: {manifest.ntotal:,} prompts, {size / 2**20:.1f} MiB")
