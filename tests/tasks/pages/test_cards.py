"""The cards of a version: their content comes from records, and no value is interpreted as Markdown."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from evaluation.verdict import Finding, Verdict
from tasks.pages.cards import content
from tasks.pages.cards.content import CardFacts, data_card, model_card, short
from tasks.pages.cards.limits import limits
from tasks.pages.markdown import SafeMarkdown, code, escaped
from tasks.registry.versions import ModelVersion
from tasks.state.inputs import Base, Champion, Inputs
from tasks.state.opening_facts import OpeningFacts
from tasks.state.reports import CurateReport, EvaluateReport, Example
from tests.hostile import HOSTILE, WORD, WORST, hidden_characters, structure

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CURATED = {
    "metrics": {
        "train": 700,
        "judge": 150,
        "holdout": 150,
        "demonstrations": 80,
        "prompts": 900,
        "holdout_prompts": 200,
        "events": 1234,
    },
    "kinds": {"comparison": 1154, "demonstration": 80},
    "sources": {"jsonl": {"events": 1234, "licence": "MIT", "consent": "none-stated"}},
    "terms": {"licences": {"MIT": 900}, "consents": {"none-stated": 900}},
}
MEASURED = {
    "evaluate/win_rate": 0.61,
    "evaluate/win_rate_low": 0.56,
    "evaluate/win_rate_high": 0.66,
    "evaluate/votes": 400.0,
    "evaluate/slice_refund": 0.4,
    "evaluate/slice_refund_p": 0.01,
    "evaluate/slice_refund_votes": 50.0,
    "evaluate/small_slices": 2.0,
    "evaluate/reward_accuracy": 0.8,
    "evaluate/reward_accuracy_low": 0.75,
    "evaluate/reward_accuracy_high": 0.85,
    "evaluate/red_team_prompts": 200.0,
    "evaluate/red_team_success": 0.125,
    "reward/pairs": 700.0,
    "curate/quarantined": 3.0,
}
WON = Finding(gate="win_rate", result="promote", reason="61 %", numbers={"win_rate": 0.61})
LOST = Finding(gate="slices", result="hold", reason="refund is lost", numbers={"refund": 0.4})


OPENED = OpeningFacts(request="", code="abcdef0123456789", inputs="", at="", commit="a" * 40, dirty=False)


def facts(name: str = "policy", number: int = 3, **changes: Any) -> CardFacts:
    tags = {"round_key": "0123456789abcdef"}
    known = CardFacts(
        version=ModelVersion(name, "4", number, "f" * 32, "d" * 64, tags, NOON),
        reward_version="2",
        inputs=Inputs(
            number=number,
            parent="fedcba9876543210" if number else None,
            seed=7,
            salt="",
            champion=Champion(version="3", digest="c" * 64) if number else None,
            base=Base(name="scratch", digest="scratch"),
            code="abcdef0123456789",
            feedback="",
            params={"policy": {"use": "ppo"}, "vote": {"annotator": {"use": "simulated"}}},
        ),
        opened=OPENED,
        curate=CurateReport.from_json(CURATED),
        evaluate=None,
        drift=None,
        verdict=Verdict(findings=(WON, LOST)) if number else None,
        metrics=MEASURED if number else {},
        outputs={"curate": {"data/preferences": "9" * 32 + ".dir", "data/reports/curate.json": "8" * 32}},
    )
    return known._replace(**changes)


def test_the_card_of_a_candidate() -> None:
    card = model_card(facts())
    _, header, body = card.split("---\n", 2)
    metadata = yaml.safe_load(header)
    assert metadata["pipeline_tag"] == "text-generation"
    assert metadata["model-index"][0]["results"][0]["metrics"][0] == {"type": "win_rate", "value": 0.61}
    assert "base_model" not in metadata  # trained from scratch
    lines = body.splitlines()
    assert "# policy version 4" in lines
    assert "`reward/2` to beat `policy/3`. Verdict: **hold**." in lines
    assert "| slices | hold | refund is lost | `refund` 0.4 |" in lines
    assert "| `win_rate` | 0.61 | 0.56 to 0.66 |  |" in lines
    assert "| `slice_refund` | 0.4 |  | 0.01 | 50 |" in lines
    assert "| jsonl | 1,234 | MIT | none-stated |" in lines
    assert "| data/preferences (curate) | `99999999999999999999999999999999.dir` |" in lines
    assert f"| weights (SHA-256) | `{'d' * 64}` |" in lines


def test_the_card_of_a_reward_model_is_about_the_reward_model() -> None:
    card = model_card(facts("reward"))
    assert "700 preference pairs" in card
    assert "`reward_accuracy`" in card
    assert "| `win_rate` |" not in card
    assert yaml.safe_load(card.split("---\n")[1])["tags"] == ["rlhf", "reward-model"]


def test_the_card_of_a_first_model() -> None:
    card = model_card(facts(number=0))
    assert "round 0 trained it on demonstrations" in card
    assert "No gate was applied" in card
    assert "## Gates" not in card
    assert yaml.safe_load(card.split("---\n")[1])["model-index"][0]["results"] == []


def test_a_base_model_is_named() -> None:
    known = facts()
    base = Base(name="org/model", digest="org/model")
    card = model_card(known._replace(inputs=known.inputs.model_copy(update={"base": base})))
    assert yaml.safe_load(card.split("---\n")[1])["base_model"] == "org/model"


def test_limits_come_from_the_records() -> None:
    sentences = limits(facts())
    assert sentences[0] == "Gate slices, hold: refund is lost."
    for parts in (
        ("fresh votes", "simulated annotator"),
        ("win rate", "400 votes", "10.0 percentage points"),
        ("2 slices", "too few votes"),
        ("Not measured: safety", "`safety`"),
        ("12.5 % of 200 red-team prompts",),
        ("3 feedback records", "quarantine"),
        ("900 training records", "consent"),
    ):
        assert [sentence for sentence in sentences if all(part in sentence for part in parts)], parts
    assert not any("commit" in sentence for sentence in sentences)
    assert not any("Not measured: how often red-team prompts" in sentence for sentence in sentences)
    by_a_rule = {"policy": {"use": "ppo"}, "vote": {"annotator": {"use": "rule"}}}
    named = limits(facts(inputs=facts().inputs.model_copy(update={"params": by_a_rule})))
    assert "The fresh votes come from a rule. No person has judged its answers." in named
    dirty = limits(facts(opened=OPENED.model_copy(update={"dirty": True})))
    assert any("uncommitted changes" in sentence for sentence in dirty)


def test_the_data_card() -> None:
    card = data_card(facts())
    for line in ("| comparison | 1,154 |", "| licence MIT | 900 |", "| train | 700 pairs | the reward model |"):
        assert line in card.splitlines()
    assert "left out" not in card


def test_the_data_card_names_what_was_left_out() -> None:
    left_out = {"licences": {"own": 2}, "consents": {"no": 2}}
    card = data_card(facts(curate=CurateReport.from_json({**CURATED, "left_out": left_out})))
    section = card.partition("not allowed:")[2].partition("## Kinds")[0]
    assert section.splitlines()[-3:-1] == ["| licence own | 2 |", "| consent no | 2 |"]


def test_text_from_feedback_is_escaped() -> None:
    evil = (
        "x | <script>alert(1)</script>\n# Approved\n[ok](http://evil.example) **all** www.evil.example a@evil.example"
    )
    sources = {evil: {"events": 1, "licence": evil, "consent": evil}}
    examples = (Example(prompt=evil, before=evil, after=evil),)
    evaluated = EvaluateReport(metrics={}, examples=examples)
    hostile = facts(curate=CurateReport.from_json({**CURATED, "sources": sources}), evaluate=evaluated)
    for card in (model_card(hostile), data_card(hostile)):
        assert "<script>" not in card
        assert "\n# Approved" not in card
        assert "](http:" not in card
        assert "http://" not in card
        assert "www.evil" not in card
    row = next(line for line in model_card(hostile).splitlines() if line.startswith("| x"))
    assert row.replace("\\|", "").count("|") == 5  # four cells, as the table has


@given(st.text())
def test_an_escaped_text_is_one_line_without_a_bare_mark(text: str) -> None:
    line = escaped(text)
    assert isinstance(line, str)
    assert len(line.splitlines()) <= 1
    bare = line.replace("\\\\", "")
    for mark in "`*_[]<>|~&":
        assert all(bare[index - 1 : index] == "\\" for index, char in enumerate(bare) if char == mark)


def test_safe_markdown_and_other_types_are_not_escaped() -> None:
    assert escaped(SafeMarkdown("**a**")) == "**a**"
    assert escaped(3) == 3
    assert code("a`b|c\nd") == "`a b c d`"


@pytest.mark.parametrize("gates", [1, 400])
def test_a_description_fits_and_links_to_the_complete_card(gates: int) -> None:
    findings = tuple(WON.model_copy(update={"gate": f"gate_{number}"}) for number in range(gates))
    card = model_card(facts(verdict=Verdict(findings=findings)))
    shown = short(card, "run 1")
    assert len(shown) <= content.MAX_DESCRIPTION
    assert shown.startswith("# policy version 4")
    assert "## Limits" in shown
    assert shown.endswith("The whole card: run 1.")
    assert ("## Gates" in shown) == (gates == 1)


def hostile(text: str) -> CardFacts:
    """Facts with this text wherever somebody outside may have written one."""
    curated = {**CURATED, "kinds": {text: 1}, "sources": {text: {"events": 1, "licence": text, "consent": text}}}
    curated["terms"] = curated["left_out"] = {"licences": {text: 1}, "consents": {text: 1}}
    found = (Finding(gate=text, result="hold", reason=text, numbers={text: 0.4}), WON)
    base = facts().inputs.model_copy(update={"base": Base(name=text, digest=text)})
    evaluated = EvaluateReport(metrics={}, examples=(Example(prompt=text, before=text, after=text),))
    names = {f"evaluate/slice_{text}": 0.4, f"evaluate/slice_{text}_p": 0.01}
    return facts(
        curate=CurateReport.from_json(curated),
        verdict=Verdict(findings=found),
        inputs=base,
        evaluate=evaluated,
        metrics={**MEASURED, **names},
        outputs={text: {text: text}, "curate": {text: text}},
        reward_version=text,
    )


@settings(max_examples=40, deadline=None)
@example(WORST)
@given(HOSTILE)
def test_a_card_has_the_blocks_of_its_template_whatever_was_written(text: str) -> None:
    for card in (model_card, data_card):
        bodies = []
        for written in (text, WORD):
            page = card(hostile(written))
            bodies.append(re.split(r"(?m)^---$", page, maxsplit=2)[-1])
        assert structure(bodies[0]) == structure(bodies[1])
        assert hidden_characters(bodies[0]) == set()
        assert WORD in bodies[0]
    assert len(short(model_card(hostile(text)), "here")) <= content.MAX_DESCRIPTION
    yaml.safe_load(model_card(hostile(text)).split("\n---\n")[0].removeprefix("---"))
