import pytest

from core.errors import BadParams
from core.plugins import find, names


def test_a_file_is_a_plugin_by_its_name() -> None:
    assert "hh_rlhf" in names("feedback.sources")
    assert find("feedback.sources", "hh_rlhf").name() == "hh_rlhf"


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(BadParams, match=r"'reddit' names no file in feedback/sources/; there are: .*hh_rlhf"):
        find("feedback.sources", "reddit")
