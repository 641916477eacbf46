from pathlib import Path

import pytest

from tasks.pages.markdown import SafeMarkdown, code, escaped, number, percent, render


@pytest.mark.parametrize(
    ("value", "text"), [(0.12345, "0.1235"), (999.96, "1000"), (1234567.0, "1,234,567"), (7, "7"), (-2000.4, "-2,000")]
)
def test_numbers_have_four_digits_or_no_exponent(value: float, text: str) -> None:
    assert number(value) == text


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
