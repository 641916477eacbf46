"""Lines of a round's record that depend on who judged."""

import pytest

from cli.display.record import base_rates, judge


@pytest.mark.parametrize(
    ("sources", "name"),
    [
        ([{"use": "simulated"}], "simulated annotator"),
        ([{"use": "jsonl", "path": "votes"}, {"use": "rule"}], "rule"),
        ([{"use": "of a removed plug-in"}], "simulated annotator"),
    ],
)
def test_who_judged(sources: list[dict[str, str]], name: str) -> None:
    assert judge({"ingest": {"sources": sources}}) == name


def test_base_rates_are_shown_before_and_after() -> None:
    metrics = {
        "evaluate/component_one_paragraph": 0.81,
        "evaluate/champion_component_one_paragraph": 0.625,
        "evaluate/component_finished": 1.0,
        "evaluate/champion_component_finished": 0.0,
        "evaluate/win_rate": 0.6,
    }
    assert base_rates(metrics) == "one paragraph 62.5 % → 81.0 %, finished 0.0 % → 100.0 %"
    assert base_rates({"evaluate/win_rate": 0.6}) == ""
