"""A config and a folder -> a run: what every stage of it receives, training and fit included."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unprompt.build.pipeline import IMAGES
from unprompt.build.stage import BuildRun
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.base.settings import write_settings
from unprompt.index.bundle.bundle import ENCODER
from unprompt.index.bundle.run_folder import RunFolder
from unprompt.index.engines.engine import LOCAL, EngineConfig
from unprompt.inversion.inverter import STARTER
from unprompt.ui.jobs.config import CLIP, FIT, TRAIN, RunConfig

RUNS = Path("runs")
# Settings of a training that leave its weights as they are.
WITHOUT_EFFECT = ("checkpoint_steps", "log_steps", "workers")


@dataclass(frozen=True, kw_only=True)
class Run(BuildRun):
    """A run with the sections that `BuildConfig` lacks: `train:`, `clip:` and `fit:`."""

    run_config: RunConfig

    def section(self, name: str) -> dict[str, Any]:
        """The settings of one section that decide what is made; a trained tower is in `encoder`."""
        if name == FIT:
            return {name: write_settings(self.run_config.fit)}
        if name not in (TRAIN, CLIP):
            found = super().section(name)
            if name == "encoder" and self.run_config.train is not None:
                found["training"] = self.settings((*IMAGES.settings, TRAIN))
            return found
        section = self.run_config.train if name == TRAIN else self.run_config.clip
        if section is None:
            command = "head" if name == TRAIN else "clip"
            raise ConfigError(
                f"{self.config.name} has no section `{name}:`; see `unprompt train {command} "
                "--help`"
            )
        settings = write_settings(section)
        return {name: {key: settings[key] for key in settings if key not in WITHOUT_EFFECT}}


def run_folder(output: Path | None, config: RunConfig) -> Path:
    """Where a run goes: `output`, or a folder in ./runs that its config names."""
    return output or RUNS / config.build.name


def make_run(
    folder: Path,
    config: RunConfig,
    progress: Progress = SILENT,
    engine: EngineConfig = LOCAL,
    retry_failed: bool = False,
) -> Run:
    """The run of a config in `folder`; a trained tower replaces the one that `encoder:` names."""
    build, place, trained = config.build, RunFolder(folder), None
    if config.train is not None:
        tower = config.train.tower
        sizes = [one.image_size for one in config.train.stages if one.image_size is not None]
        size = sizes[-1] if sizes else tower.image_size
        encoder = replace(
            build.encoder, model=tower.model, pretrained=tower.pretrained, image_size=size
        )
        build, trained = replace(build, encoder=encoder), place.export(TRAIN)
    return Run(
        folder=place,
        config=build,
        run_config=config,
        exported_towers={"starter": STARTER / ENCODER},
        trained=trained,
        progress=progress,
        engine=engine,
        retry_failed=retry_failed,
    )
