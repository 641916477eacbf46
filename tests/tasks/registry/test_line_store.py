"""What only reads opens no database, and knows its line all the same."""

from pathlib import Path

import pytest

from tasks.registry.line_store import LineStore
from tasks.state.line import POLICY, ModelLine


def test_nothing_is_created_until_the_store_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    part = LineStore(tmp_path)
    assert (part.unused, part.line) == (True, POLICY)
    assert not list(tmp_path.iterdir())
    assert LineStore(tmp_path, ModelLine("other")).line == ModelLine("other")
