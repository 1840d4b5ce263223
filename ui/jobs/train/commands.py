"""`unprompt train export|average|recipes`: trained runs -> folders of weights; recipes as YAML."""

from pathlib import Path

import yaml

from unprompt.index.base.errors import ConfigError
from unprompt.index.base.owner import owned
from unprompt.index.bundle.run_folder import RunFolder
from unprompt.ui.jobs.config import TRAIN


def export_clip(run: Path, output: Path, tower: str | None = None) -> None:
    """Write the trained tower of a run, merged into its CLIP, as an open_clip folder.

    `tower` names the CLIP where no library registers it.
    """
    from unprompt.index.encoders.protocols import EncoderConfig
    from unprompt.index.towers.clip import load_clip
    from unprompt.index.towers.image_only import is_image_only
    from unprompt.index.towers.open_clip_folder import save_open_clip
    from unprompt.index.towers.trained_tower import check_start, read_result

    trained = _export_of(run)
    result = read_result(trained)
    if is_image_only(result.model):
        raise ConfigError(
            f"{result.model} has no text tower, so there is no CLIP to write; `unprompt build` "
            "makes an encoder of it"
        )
    check_start(result, tower)
    config = EncoderConfig(
        model=result.model, pretrained=result.pretrained, image_size=result.image_size,
        output="embedding",
    )  # fmt: skip
    clip = load_clip(config, "cpu", trained)
    with owned(output):
        save_open_clip(clip, clip.preprocess, output, result.trained_on)
    print(output)


def average(
    first: Path, second: Path | None, share: float, output: Path, tower: str | None = None
) -> None:
    """Average the weights of two runs, or of a run and its tower before training (WiSE-FT)."""
    from unprompt.inversion.train.average import average_exports, average_with_start

    with owned(output):
        if second is None:
            average_with_start(_export_of(first), share, output, tower)
        else:
            average_exports(_export_of(first), _export_of(second), share, output)
    print(output)


def show_recipes(name: str | None, member: str | None) -> None:
    """Print the names of the recipes, one recipe as YAML, or the `train:` section of one member."""
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
    """The export in a run folder, or `run` itself where it is an export."""
    from unprompt.index.towers.trained_tower import DESCRIPTION

    for place in (RunFolder(run).export(TRAIN), run / "export", run):
        if (place / DESCRIPTION).is_file():
            return place
    raise ConfigError(f"{run} holds no trained tower; run `unprompt train head` first")
