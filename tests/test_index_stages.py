"""The ledger of a run: begin, finish, and what happens when settings change in between."""

from pathlib import Path

import pytest

from unprompt.index.base.errors import ConfigError
from unprompt.index.base.stages import StageLedger

SETTINGS = {"corpus": {"count": 400, "seed": 1}, "render": {"size_px": 128}}


def test_a_stage_is_begun_gone_on_with_and_left_alone(tmp_path: Path) -> None:
    ledger = StageLedger(tmp_path)
    assert not ledger.is_done("images")
    assert ledger.begin("images", SETTINGS)
    assert ledger.begin("images", SETTINGS), "a killed run goes on"
    assert not ledger.is_done("images")
    ledger.finish("images", SETTINGS)
    assert not ledger.begin("images", SETTINGS)
    assert StageLedger(tmp_path).is_done("images"), "what is done survives the process"


@pytest.mark.parametrize("finished", [False, True])
def test_other_settings_are_refused_and_named(tmp_path: Path, finished: bool) -> None:
    ledger = StageLedger(tmp_path)
    ledger.begin("images", SETTINGS)
    if finished:
        ledger.finish("images", SETTINGS)
    changed = {**SETTINGS, "corpus": {"count": 401, "seed": 1}}
    assert ledger.differs("images", changed)
    with pytest.raises(ConfigError, match=r"images.*\(corpus.count was 400, is 401\).*--overwrite"):
        ledger.begin("images", changed)
    assert not ledger.differs("images", SETTINGS), "a refusal changes nothing"


def test_order_of_keys_is_no_change(tmp_path: Path) -> None:
    ledger = StageLedger(tmp_path)
    ledger.begin("images", SETTINGS)
    assert not ledger.differs("images", dict(reversed(SETTINGS.items())))


def test_a_setting_that_came_later_is_no_change_while_it_is_null(tmp_path: Path) -> None:
    ledger = StageLedger(tmp_path)
    ledger.begin("encoder", {"encoder": {"model": "lite2", "sizes": (1, 2)}})
    newer = {"encoder": {"model": "lite2", "sizes": [1, 2], "compile": None}}
    assert ledger.begin("encoder", newer) and not ledger.differs("encoder", newer)
    with pytest.raises(ConfigError, match=r"\(encoder.compile was None, is True\)"):
        ledger.begin("encoder", {"encoder": {**newer["encoder"], "compile": True}})


def test_reopen_and_forget(tmp_path: Path) -> None:
    ledger = StageLedger(tmp_path)
    ledger.reopen("images")
    assert not ledger.is_done("images"), "reopening what never was makes no record"
    ledger.begin("images", SETTINGS)
    ledger.finish("images", SETTINGS)
    ledger.reopen("images")
    assert ledger.begin("images", SETTINGS)
    ledger.forget("images")
    ledger.forget("images")
    assert ledger.begin("images", {"corpus": {}})
