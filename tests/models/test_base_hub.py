from pathlib import Path

import pytest

from core.errors import BadModel
from models.base_hub import download


def test_a_name_that_the_hub_cannot_have_is_refused_with_the_name(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match=r"a//b at main cannot be downloaded"):
        download("a//b", "main", ["config.json"], tmp_path)
