"""The page without a browser: controls become a query, and every text of an answer is escaped."""

from dataclasses import replace
from typing import Any

import pytest

from unprompt.index.base.terms import read_terms
from unprompt.index.metadata.written import Lora, WrittenPrompt
from unprompt.inversion.answer import Candidate, Inversion
from unprompt.inversion.compose.settings import ComposeConfig, Origin
from unprompt.inversion.estimate.blend import MAIN, Blend, MemberShare
from unprompt.inversion.estimate.gate import SIGNALS, Gate
from unprompt.inversion.estimate.knn import KnnConfig
from unprompt.inversion.query import Query
from unprompt.ui.page.answer import write_answer, write_neighbors
from unprompt.ui.page.html import COPY, EXAMPLES, PASTE, read_asset, script, write_error
from unprompt.ui.page.settings import CANDIDATES, CONTROLS, EVENTS, Settings, make_query

HOSTILE = "<img src=x onerror=alert(1)>${alert(1)}{{value}}"
KNN = KnnConfig(k=30, weighting="local_ridge", temperature=0.0712, penalty=3.0)
GATE = Gate((0.0,) * len(SIGNALS), (1.0,) * len(SIGNALS), (0.1,) * len(SIGNALS), 0.2)
TUNED = Blend(
    0.333, KNN, 0.7, 100, gate=GATE, members=(MemberShare(MAIN, KNN, 0.6, 0.5),
    MemberShare("other", KnnConfig(k=7), 0.4, 0.5)),
)  # fmt: skip


def test_unchanged_controls_ask_for_what_was_tuned_exactly() -> None:
    """A slider shows rounded values; the query keeps the exact ones, and the gate."""
    wanted = Query(CANDIDATES, blend=TUNED)
    assert make_query(TUNED, {}) == wanted
    defaults = {control.name: control.default(TUNED) for control in CONTROLS}
    assert (defaults["temperature"], defaults["alpha"]) == (0.07, 0.33)
    assert make_query(TUNED, defaults) == wanted
    assert make_query(TUNED, dict.fromkeys(defaults)) == wanted, "a cleared field is a default"


@pytest.mark.parametrize(
    ("name", "value", "blend", "words"),
    [
        ("ban", " neon,\nclose-up ,", TUNED, ComposeConfig(ban=("neon", "close-up"))),
        ("artists", True, TUNED, ComposeConfig(ban=read_terms(["artists"]))),
        ("tokens", 20, TUNED, ComposeConfig(max_tokens=20)),
        ("k", 5, TUNED.with_knn(replace(KNN, k=5)), ComposeConfig()),
        (
            "weighting",
            "softmax",
            TUNED.with_knn(replace(KNN, weighting="softmax")),
            ComposeConfig(),
        ),
        ("temperature", 0.2, TUNED.with_knn(replace(KNN, temperature=0.2)), ComposeConfig()),
        ("alpha", 1, TUNED.with_alpha(1.0), ComposeConfig()),
    ],
)
def test_a_changed_control_changes_its_part_of_the_query(
    name: str, value: Any, blend: Blend, words: ComposeConfig
) -> None:
    assert make_query(TUNED, {name: value}) == Query(CANDIDATES, blend=blend, words=words)


def test_changed_controls_add_up() -> None:
    query = make_query(TUNED, {"ban": "neon", "artists": True, "k": 5, "alpha": 0.5})
    assert query.words.ban == ("neon", *read_terms(["artists"]))
    assert query.blend == TUNED.with_knn(replace(KNN, k=5)).with_alpha(0.5)


def test_values_arrive_in_the_order_of_the_table() -> None:
    """Gradio passes them by position."""
    settings = Settings(TUNED, components=[object() for _ in CONTROLS], reset=None)
    names = [control.name for control in CONTROLS]
    assert len(set(names)) == len(names)
    values = settings.defaults
    values[names.index("k")] = 5
    assert settings.query(tuple(values)) == make_query(TUNED, {"k": 5})
    with pytest.raises(ValueError, match="zip"):
        settings.query(tuple(values[1:]))


def test_every_control_is_complete() -> None:
    for control in CONTROLS:
        assert control.label and EVENTS[control.component]
        assert (control.blend is None) != (control.words is None)


def test_every_text_is_escaped() -> None:
    found = Candidate(HOSTILE, 0.5, 0.5, 0.004, 0, 0)
    inversion = Inversion(
        HOSTILE, *[None] * 3, 0.5, (found,), (found,),  # type: ignore[arg-type]
        phrases=(Origin(HOSTILE, "neighbor", f'"{HOSTILE}', 0),),
        metadata_prompt=WrittenPrompt(
            HOSTILE, HOSTILE, HOSTILE, HOSTILE, (Lora(HOSTILE),), sampler=HOSTILE, seed=7
        ),
    )  # fmt: skip
    shown = write_answer(inversion, HOSTILE) + write_neighbors([(found, None)])
    assert "<img" not in shown + write_error(HOSTILE)
    assert "no picture available" in shown
    assert "<dt>seed</dt><dd>7</dd>" in shown, "what the file says beside its prompt"
    assert "weight 0.4 %" in shown
    against = found._replace(weight=-0.031)
    shown = write_answer(replace(inversion, candidates=(against,), neighbors=(found, against)))
    assert "weight −3.1 %" in shown and shown.count("up-negative") == 1


def test_a_script_is_the_functions_and_one_call() -> None:
    functions = read_asset("scripts.js")
    for call in (COPY, EXAMPLES, PASTE):
        assert f"function {call}" in functions
        assert script(call).endswith(f"\n{call};")
