from pathlib import Path

import pytest

from core.errors import BadModel
from tasks.tools.pip import download


def test_a_package_that_is_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(BadModel, match=r"pip cannot download no-such-package==1 \(.*No matching distribution"):
        download("no-such-package==1", tmp_path)
