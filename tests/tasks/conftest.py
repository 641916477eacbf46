import shutil
from pathlib import Path

import pytest


@pytest.fixture
def home(empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of a workspace with an MLflow database. The present folder is another one, and stays empty."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    root = tmp_path / "a workspace"
    root.mkdir()
    shutil.copyfile(empty_store, root / "mlflow.db")
    return root
