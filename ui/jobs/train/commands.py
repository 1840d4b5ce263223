"""What the commands under `unprompt train` do."""

from pathlib import Path

import yaml

from unprompt.index.base.errors import ConfigError
from unprompt.index.bundle.run_folder import RunFolder
from unprompt.ui.jobs.config import TRAIN


def export_clip(run: Path, output: Path) -> None:
    """The trained tower of a run, merged into its CLIP, as an open_clip folder."""
    from unprompt.index.encoders.protocols import EncoderConfig
    from unprompt.index.towers.clip import load_clip
    from unprompt.index.towers.image_only import is_image_only
    from unprompt.index.towers.open_clip_folder import save_open_clip
    from unprompt.index.towers.trained_tower import read_result

    trained = _export_of(run)
    result = read_result(trained)
    if is_image_only(result.model):
        raise ConfigError(
            f"{result.model} has no text tower, so there is no CLIP to write; `unprompt build` "
            "makes an encoder of it"
        )
    config = EncoderConfig(
        model=result.model, pretrained=result.pretrained, image_size=result.image_size,
        output="embedding",
    )  # fmt: skip
    clip = load_clip(config, "cpu", trained)
    save_open_clip(clip, clip.preprocess, output, result.trained_on)
    print(output)


def average(first: Path, second: Path | None, share: float, output: Path) -> None:
    """WiSE-FT of two runs, or of a run and its tower before training."""
    from unprompt.inversion.train.average import average_exports, average_with_start

    if second is None:
        average_with_start(_export_of(first), share, output)
    else:
        average_exports(_export_of(first), _export_of(second), share, output)
    print(output)


def show_recipes(name: str | None, member: str | None) -> None:
    """The names of the recipes, one as YAML, or one member's `train:` section."""
    from unprompt.inversion.train.recipes import (
        load_recipe,
        member_section,
        recipe_names,
        recipe_text,
    )

    if name is None:
        for known in recipe_names():
            recipe = load_recipe(known)
            print(f"{known}\t{recipe.title}\t{', '.join(m.name for m in recipe.members)}")
    elif member is None:
        print(recipe_text(name), end="")
    else:
        print(yaml.safe_dump(member_section(name, member), sort_keys=False), end="")


def _export_of(run: Path) -> Path:
    """The export of a run folder, or the folder itself if it is one."""
    from unprompt.index.towers.trained_tower import DESCRIPTION

    for place in (RunFolder(run).export(TRAIN), run / "export", run):
        if (place / DESCRIPTION).is_file():
            return place
    raise ConfigError(f"{run} holds no trained tower; run `unprompt train head` first")
