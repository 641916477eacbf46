"""Pages of HTML: whatever an outsider wrote, a page has the elements that its template has, and shows the text."""

from pathlib import Path

from hypothesis import example, given, settings

from evaluation.drift import DriftCheck, DriftFindings, decide, histograms
from evaluation.drift.report import report
from feedback.rows import PreferenceRow
from models.attribution import Attribution, TokenAttribution
from tasks.analysis.explain import AnswerToExplain, Explained, Explanation, NearPair
from tasks.analysis.explain import page as explanation
from tasks.pages import drift
from tasks.pages.html import MOST, render, without_tags
from tests.hostile import HOSTILE, WORD, WORST, Elements, hidden_characters
from tests.tasks.analysis.explain.test_explain import VERSION
from tests.tasks.steps.hand_written import preference, turns

PLAIN = f"{WORD} text"


def drift_page(text: str) -> str:
    checks = (DriftCheck("x", 1.0, 0.5, 0.0, text, text),)
    findings = DriftFindings(checks, {}, (histograms(text, text, [1, 2, 3], [3, 4, 5]),))
    return drift.page(text, 0.01, report(findings, decide(checks, 0.01)), [(1, {"drift/x": 1.0})])


def explanation_page(text: str) -> str:
    pieces = [TokenAttribution(text, 0.1, 0.2)]
    attributed = Attribution(0.3, 0.0, pieces, error=0.0, steps=8, truncated=0, cut=0)
    row = PreferenceRow(**{**preference(1, "train")._asdict(), "prompt": turns(text), "chosen": text, "rejected": text})
    near = (NearPair(row, "chosen", 0.9, (text, text)),)
    explained = Explained(AnswerToExplain(text, turns(text), text), attributed, near)
    return explanation.page(Explanation(VERSION._replace(version=text), (explained,), text))


@settings(max_examples=60, deadline=None)
@example(WORST)
@given(HOSTILE)
def test_a_page_has_the_elements_of_its_template_whatever_was_written(text: str) -> None:
    for page in (drift_page, explanation_page):
        html = page(text)
        elements = Elements(html)
        assert elements.found == Elements(page(PLAIN)).found
        assert hidden_characters(html) == set()
        assert WORD in elements.text


@given(HOSTILE)
def test_a_page_that_another_program_writes_gets_no_markup(text: str) -> None:
    assert not {"<", ">"} & set(without_tags(text))
    assert hidden_characters(without_tags(text)) == set()


def test_a_template_gets_its_filters_and_a_long_text_is_cut(tmp_path: Path) -> None:
    template = tmp_path / "page.html.jinja"
    template.write_text("<p>{{ text }}</p><i>{{ 3|twice }}</i>")
    html = render(template, {"twice": lambda number: str(2 * number)}, text="x" * (2 * MOST))
    assert html == f"<p>{'x' * (MOST - 1)}…</p><i>6</i>"
