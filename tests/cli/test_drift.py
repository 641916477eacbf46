"""`rounds drift` where the extra `reports` is missing; with it: tests/services/test_dashboards.py."""

import sys

import pytest

from tasks.state.workspace import Workspace
from tests.commands import Rounds


def test_a_missing_extra_is_named_with_its_cure(
    rounds: Rounds, finished: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "evidently", None)  # makes the import fail
    result = rounds("drift", "-w", finished.root)
    assert result.code == 2
    assert result.err.startswith("NotInstalled: ")
    assert "`make reports`" in result.err
