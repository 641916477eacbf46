"""Generated pages are current (`make docs` regenerates them), and the prose fits the page."""

import re
from pathlib import Path

import pytest

from cli.display.knobs import params_page
from cli.display.metrics import metrics_page
from cli.reference import cli_page
from core.nested import flat
from tasks.rounds.params import RoundSettings
from tasks.state.workspace import PROJECT
from tests.pages import PAGES, title

WIDTH = 120
"""Maximum length of a line of prose, as of code."""


def test_the_page_of_knobs_is_what_the_classes_say() -> None:
    assert (PROJECT / "docs/params.md").read_text(encoding="utf-8") == params_page(), "run `make docs`"


def test_the_page_of_knobs_has_all_of_them() -> None:
    page = (PROJECT / "docs/params.md").read_text(encoding="utf-8")
    named = {line.split("`")[1] for line in page.splitlines() if line.startswith("| `")}
    values = RoundSettings().plain()
    plugged = [
        values["policy"].pop("reward"),
        values.pop("policy"),
        values["vote"].pop("annotator"),
        *values["ingest"]["sources"],
    ]
    for section, group in (("evaluate", "evals"), ("verdict", "gates"), ("watch", "guards")):
        plugged += values[section].pop(group).values()
        assert f"{section}.{group}" in named
    names = {name for knobs in plugged for name in flat(knobs) if name != "use"}
    assert names | {name for name, value in flat(values).items() if value != {}} <= named


def test_a_line_has_type_bounds_default_and_sentence() -> None:
    lines = (PROJECT / "docs/params.md").read_text(encoding="utf-8").splitlines()
    assert any(line.startswith("| `sft.epochs` | whole number, ≥ 1 | `3` | ") for line in lines)


def test_the_page_of_commands_is_what_help_says() -> None:
    assert (PROJECT / "docs/cli.md").read_text(encoding="utf-8") == cli_page(), "run `make docs`"


def too_long(text: str) -> list[str]:
    """Lines of prose over 120 characters. Code blocks, tables, and lines that cannot be broken are exempt."""
    prose = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE).splitlines()
    lines = [line for line in prose if len(line) > WIDTH and not line.lstrip().startswith("|")]
    return [line for line in lines if len(re.sub(r"!?\[[^\]]*\]\([^)]*\)|`[^`]*`", "x", line).split()) > 1]


@pytest.mark.parametrize("page", PAGES, ids=title)
def test_lines_of_prose_fit_the_page(page: Path) -> None:
    assert too_long(page.read_text(encoding="utf-8")) == []


def test_a_line_that_is_too_long_is_found() -> None:
    link, words = f"![picture]({'x' * 120})", "word " * 30
    assert too_long(f"{link}\n\n| {words}|\n\n```\n{words}\n```\n") == []
    assert too_long(f"A {words}\n- {words}\n") == [f"A {words}", f"- {words}"]


def test_the_page_of_metrics_is_made_of_their_declarations() -> None:
    assert (PROJECT / "docs/metrics.md").read_text(encoding="utf-8") == metrics_page()
