"""What CONTRIBUTING says of the tests themselves: light to collect, and slow ones are marked."""

import ast
from pathlib import Path

import pytest

TESTS = sorted(Path(__file__).parent.glob("*.py"))
SECONDS_TO_IMPORT = {
    "accelerate", "datasets", "diffusers", "gradio", "gradio_client", "open_clip", "peft",
    "playwright", "ray", "sentence_transformers", "skimage", "sklearn", "timm", "transformers",
}  # fmt: skip


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_collecting_loads_no_heavy_library(path: Path) -> None:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        heavy = SECONDS_TO_IMPORT & {name.split(".")[0] for name in names}
        assert not heavy, f"{path.name} imports {heavy}: import it where it is used"


def test_what_needs_a_whole_build_is_slow(request: pytest.FixtureRequest) -> None:
    build = [item for item in request.session.items if "tiny_run" in item.fixturenames]  # type: ignore[attr-defined]
    assert all(item.get_closest_marker("slow") for item in build)
