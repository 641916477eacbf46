from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from feedback import world
from feedback.schema import Message, event_id, prompt_id, version_1_id
from tests.feedback.examples import chat, event, vote


def test_a_prompt_id_does_not_depend_on_case_white_space_and_unicode_form() -> None:
    assert prompt_id(chat("Is  it\n OK?")) == prompt_id(chat("is it ok? "))
    assert prompt_id(chat("caf\u00e9")) == prompt_id(chat("Cafe\u0301"))
    assert prompt_id(chat("is it ok")) != prompt_id(chat("is it ok?"))


def test_a_prompt_id_keeps_apart_what_compatibility_forms_make_equal() -> None:
    assert prompt_id(chat("2²?")) != prompt_id(chat("22?")) == version_1_id(chat("22?"))
    assert version_1_id(chat("2²?")) == version_1_id(chat("22?"))


def test_the_two_rules_agree_on_the_embedded_world() -> None:
    prompts = [world.render(request) for request in world.prompts(100_000, 0)]
    prompts += [trap.prompt for trap in world.traps(20, 0)] + [each.prompt for each in world.red_team_prompts(100, 0)]
    assert len(prompts) > 73_728
    assert [prompt_id(prompt) for prompt in prompts] == [version_1_id(prompt) for prompt in prompts]


def test_the_same_text_by_another_role_is_another_prompt() -> None:
    assert prompt_id([Message(role="user", content="hi")]) != prompt_id([Message(role="system", content="hi")])


def test_an_event_id_depends_on_where_its_parts_are_separated() -> None:
    assert event_id("ab", "c", "d") != event_id("a", "bc", "d")


def test_a_time_without_a_zone_is_utc() -> None:
    assert event(created_at="2026-01-02T03:04:05").created_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    east = timezone(timedelta(hours=2))
    assert event(created_at=datetime(2026, 1, 2, 5, 4, 5, tzinfo=east)).created_at == datetime(
        2026, 1, 2, 3, 4, 5, tzinfo=UTC
    )


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_the_default_dates_of_tools_are_refused(moment: str) -> None:
    with pytest.raises(ValidationError, match="1970 to 2999"):
        event(created_at=moment)


def test_ranks_line_up_with_the_responses() -> None:
    with pytest.raises(ValidationError, match=r"judgements\[0\]\.ranks has 3 values, expected 2"):
        vote("1", ranks=(1, 2, 3))


def test_the_shown_order_names_each_response_once() -> None:
    with pytest.raises(ValidationError, match="shown_order: expected each of the 2 responses once"):
        event(shown_order=(0, 0))
