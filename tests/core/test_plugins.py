from typing import Annotated

import pytest
from pydantic import Field, SerializeAsAny

from core.errors import BadParams
from core.plugins import Plugin, chosen, find, names, used_by_name
from core.settings import BaseSettings, parse


class WatchReport(BaseSettings):
    """A section that holds plug-ins by name."""

    guards: Annotated[dict[str, SerializeAsAny[Plugin] | None], used_by_name("evaluation.guards", "harm", "errors")] = (
        Field(default_factory=dict, validate_default=True)
    )
    """The guards that are checked."""


def test_a_plugin_is_found_by_the_name_of_its_file() -> None:
    assert "hh_rlhf" in names("feedback.sources")
    assert find("feedback.sources", "hh_rlhf").name() == "hh_rlhf"


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(BadParams, match=r"'reddit' names no file in feedback/sources/; there are: .*hh_rlhf"):
        find("feedback.sources", "reddit")


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ({}, ["harm", "errors"]),
        ({"errors": {"limit": 0.2}}, ["harm", "errors"]),  # the plug-ins that are not listed stay
        ({"liking": {}}, ["harm", "errors", "liking"]),
        ({"harm": None}, ["errors"]),
        ({"harm": None, "errors": None}, []),
    ],
)
def test_only_null_leaves_out_a_default_plugin(given: object, used: list[str]) -> None:
    assert [guard.name() for guard in chosen(WatchReport(guards=given).guards)] == used


def test_a_plugin_that_was_left_out_stays_out_when_the_settings_are_saved_and_loaded() -> None:
    saved = WatchReport(guards={"harm": None, "errors": {"limit": 0.2}}).model_dump(mode="json")
    assert saved["guards"]["harm"] is None
    assert saved["guards"]["errors"]["limit"] == 0.2
    assert WatchReport(**saved).model_dump(mode="json") == saved


def test_the_error_about_an_unknown_knob_names_it() -> None:
    with pytest.raises(BadParams, match=r"guards\.errors\.limits: there is no such knob; did you mean 'limit'"):
        parse(WatchReport, {"guards": {"errors": {"limits": 0.2}}}, "params.yaml")
