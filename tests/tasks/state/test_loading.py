"""In which type models compute outside a round."""

from pathlib import Path

import pytest

from models import compute
from tasks.state import loading
from tasks.state.workspace import Workspace


def test_outside_a_round_models_compute_as_in_the_last_one(
    finished: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The round was in float32; a processor that is faster in bfloat16 would give other scores."""
    monkeypatch.setattr(compute, "_fast_in_bfloat16", lambda: True)
    assert loading.outside(finished)._compute.dtype == "float32"
    assert loading.outside(Workspace(tmp_path))._compute.dtype == "bfloat16"
