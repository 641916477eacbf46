from typing import Annotated

import pytest
from pydantic import Field, SerializeAsAny

from core.errors import BadParams
from core.knobs import BaseSettings
from core.plugins import Plugin, chosen, find, names, used_by_name


class Watched(BaseSettings):
    """A section with plug-ins by name."""

    guards: Annotated[dict[str, SerializeAsAny[Plugin] | None], used_by_name("evaluation.guards", "harm", "errors")] = (
        Field(default_factory=dict, validate_default=True)
    )
    """What is looked at."""


def test_a_file_is_a_plugin_by_its_name() -> None:
    assert "hh_rlhf" in names("feedback.sources")
    assert find("feedback.sources", "hh_rlhf").name() == "hh_rlhf"


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(BadParams, match=r"'reddit' names no file in feedback/sources/; there are: .*hh_rlhf"):
        find("feedback.sources", "reddit")


@pytest.mark.parametrize(
    ("asked", "used"),
    [
        ({}, ["harm", "errors"]),
        ({"errors": {"limit": 0.2}}, ["harm", "errors"]),  # what is not named stays
        ({"liking": {}}, ["harm", "errors", "liking"]),
        ({"harm": None}, ["errors"]),
        ({"harm": None, "errors": None}, []),
    ],
)
def test_only_null_leaves_a_plugin_of_the_default_out(asked: object, used: list[str]) -> None:
    assert [guard.name() for guard in chosen(Watched(guards=asked).guards)] == used


def test_what_was_left_out_stays_out_when_the_knobs_are_kept_and_read_again() -> None:
    kept = Watched(guards={"harm": None, "errors": {"limit": 0.2}}).model_dump(mode="json")
    assert kept["guards"]["harm"] is None
    assert kept["guards"]["errors"]["limit"] == 0.2
    assert Watched(**kept).model_dump(mode="json") == kept


def test_a_knob_that_is_not_there_is_named() -> None:
    with pytest.raises(BadParams, match=r"use: errors.*\n.*limits"):
        Watched(guards={"errors": {"limits": 0.2}})
