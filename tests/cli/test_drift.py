"""`python -m flows drift` where the extra `reports` is missing; with it: tests/services/test_dashboards.py."""

import sys

import pytest

from tasks.state.workspace import Workspace
from tests.cli.commands import Flows


def test_a_missing_extra_is_named_with_its_cure(
    flows: Flows, finished: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "evidently", None)  # as Python itself marks what cannot be imported
    said = flows("drift", "-w", finished.root)
    assert said.code == 2
    assert said.err.startswith("NotInstalled: ")
    assert "`make reports`" in said.err
