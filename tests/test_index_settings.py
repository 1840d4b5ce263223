"""Settings from mappings and back; every fault is named at once."""

import numpy as np
import pytest
from pydantic.dataclasses import dataclass

from unprompt.index.base.errors import ConfigError, SpaceMismatchError
from unprompt.index.base.settings import STRICT, read_settings, write_settings
from unprompt.index.encoders.protocols import (
    EncoderConfig,
    check_same_space,
    to_unit_length,
)


@dataclass(frozen=True, config=STRICT)
class Inner:
    """A section."""

    size: int = 3


@dataclass(frozen=True, config=STRICT)
class Outer:
    """A config of two levels."""

    name: str
    inner: Inner = Inner()
    steps: tuple[float, ...] = (1.0, 2.0)


def test_there_and_back() -> None:
    settings = Outer("fox", Inner(7), (0.5,))
    written = write_settings(settings)
    assert written == {"name": "fox", "inner": {"size": 7}, "steps": [0.5]}
    assert read_settings(Outer, written, "here") == settings


def test_all_faults_are_named_together() -> None:
    with pytest.raises(ConfigError) as error:
        read_settings(Outer, {"inner": {"size": "many"}, "colour": "red"}, "my.yaml")
    message = str(error.value)
    assert message.startswith("my.yaml has settings that cannot work")
    assert "inner.size" in message and "'many'" in message
    assert "colour" in message and "name" in message


@pytest.mark.parametrize("content", [3, ["a"], "text", None])
def test_no_mapping_at_all(content: object) -> None:
    with pytest.raises(ConfigError, match="my.yaml must hold settings by name"):
        read_settings(Outer, content, "my.yaml")  # type: ignore[arg-type]


def test_encoder_settings_know_their_choices() -> None:
    with pytest.raises(ConfigError, match=r"runtime.*onnx"):
        read_settings(EncoderConfig, {"runtime": "onnx"}, "encoder")


def test_spaces_that_differ_are_both_named() -> None:
    check_same_space("aaaa", "aaaa", "the head", "Fit it again.")
    with pytest.raises(SpaceMismatchError, match="the head .*bbbb.*aaaa.*Fit it again"):
        check_same_space("aaaa", "bbbb", "the head", "Fit it again.")


def test_unit_length_by_hand() -> None:
    found = to_unit_length([[3.0, 4.0], [0.0, 0.0], [0.0, -2.0]])  # type: ignore[arg-type]
    assert found.dtype == "float32"
    np.testing.assert_allclose(found, [[0.6, 0.8], [0.0, 0.0], [0.0, -1.0]], atol=1e-7)
