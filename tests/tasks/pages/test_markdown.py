from pathlib import Path

import pytest
from hypothesis import example, given, settings

from tasks.pages.markdown import MOST, SafeMarkdown, code, escaped, number, percent, render
from tests.hostile import HOSTILE, WORD, WORST, hidden_characters, structure


def test_numbers_have_three_digits() -> None:
    assert [number(value) for value in (0.12345, 7, 1234.5)] == ["0.123", "7", "1,234"]


def test_shares_and_names() -> None:
    assert percent(0.6116) == "61.2 %"
    assert code("a`b|c\nd") == "`a b c d`"


def test_text_of_people_is_one_line_without_markup() -> None:
    assert escaped("<b>a\n| *b* https://x") == r"\<b\>a \| \*b\* https\://x"
    assert escaped(SafeMarkdown("*b*")) == "*b*"
    assert escaped(3) == 3


def test_a_template_escapes_what_is_not_marked_as_safe(tmp_path: Path) -> None:
    template = tmp_path / "page.md.jinja"
    template.write_text("# {{ title }}\n{{ rate | percent }} {{ name | code }}\n")
    assert render(template, title="*x*", rate=0.5, name="a_b") == "# \\*x\\*\n50.0 % `a_b`\n"


CELL = "| {{ text }} | {{ text|code }} |\n"
TEMPLATE = f"# {{{{ text }}}}\n\n- {{{{ text }}}}\n\n{{{{ text }}}}\n\n| a | b |\n|---|---|\n{CELL}"


@settings(max_examples=150, deadline=None)
@example(WORST)
@example("$x$ - # 1. ![](http://x)")
@given(HOSTILE.map(lambda text: text.removeprefix(f"{WORD} ")))
def test_a_page_has_the_blocks_of_its_template_whatever_was_written(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    template = tmp_path_factory.getbasetemp() / "page.md.jinja"
    template.write_text(TEMPLATE)
    written = render(template, text=f"{text} {WORD}")  # what begins a heading or a list stands first
    assert structure(written) == structure(render(template, text="plain"))
    assert hidden_characters(written) == set()
    assert text.count("$") == 0 or "\\$" in str(escaped(text))


def test_a_long_text_is_cut() -> None:
    assert len(str(escaped("x" * 10_000))) == MOST
    assert len(code("x" * 10_000)) == MOST + 2
