"""Answers as HTML: Markdown works, and nothing in it does harm."""

import re
import time

import pytest
from hypothesis import given

from serving.pages.alignment import MOST_ROWS
from serving.pages.markdown import MOST, ORDINARY, SideBySide, as_html, as_text, is_cut, side_by_side
from tests.hostile import HOSTILE, WORST, Elements, hidden_characters

SAFE = {
    *("p(dir)", "h3(class,dir)", "blockquote(dir)", "ul(dir)", "ol(dir)", "ol(dir,start)", "li()"),
    *("em()", "strong()", "s()", "div(aria-label,class,role,tabindex)", "table(dir)"),
    *(
        "code()",
        "pre()",
        "code(class)",
        "hr()",
        "br()",
        "span(class)",
        "a(href,rel,target)",
        "a(href,rel,target,title)",
    ),
    *("thead()", "tbody()", "tr()", "th(dir)", "td(dir)", "th(class,dir)", "td(class,dir)"),
}
"""The elements that an answer can have, with their attributes."""


def test_markdown_is_shown_as_it_is_meant() -> None:
    text = "# Top\n\nA **bold** word, `code` and [a link](https://example.org/a).\n\n- one\n- two\n\n```py\n1 < 2\n```"
    assert as_html(text) == (
        '<h3 class="level-1" dir="auto">Top</h3>\n'
        '<p dir="auto">A <strong>bold</strong> word, <code>code</code> and <a href="https://example.org/a" '
        'rel="noopener noreferrer nofollow" target="_blank">a link</a>.</p>\n'
        '<ul dir="ltr">\n<li>one</li>\n<li>two</li>\n</ul>\n'
        '<pre><code class="language-py">1 &lt; 2\n</code></pre>\n'
    )


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("<script>alert(1)</script>", '<p dir="auto">&lt;script&gt;alert(1)&lt;/script&gt;</p>\n'),
        ("<b>x", '<p dir="auto">&lt;b&gt;x</p>\n'),
        ("[x](javascript:alert(1))", '<p dir="auto">[x](javascript:alert(1))</p>\n'),
        ("[x](JaVaScRiPt:alert(1))", '<p dir="auto">[x](JaVaScRiPt:alert(1))</p>\n'),
        ("[x](data:text/html,x)", '<p dir="auto">[x](data:text/html,x)</p>\n'),
        ("[x](/logout)", '<p dir="auto">[x](/logout)</p>\n'),
        ("a\u202eb\x00c\u2066d\u202ae", '<p dir="auto">a⟦U+202E⟧b⟦U+0000⟧c⟦U+2066⟧d⟦U+202A⟧e</p>\n'),
        ("one\r\ntwo", '<p dir="auto">one<br />\ntwo</p>\n'),
    ],
)
def test_what_could_do_harm_is_text(text: str, html: str) -> None:
    assert as_html(text) == html


@pytest.mark.parametrize("text", ["می\u200cروم", "\u200fשלום (C++\u200e) 5!", "Wort\u00adteil", "\ufeffText"])
def test_invisible_characters_of_ordinary_text_stay_as_they_are(text: str) -> None:
    assert as_html(text) == f'<p dir="auto">{text}</p>\n'
    assert as_text(text) == text


@pytest.mark.parametrize(
    ("text", "directions"),
    [
        ("- אחד\n- two", [("ul", "rtl")]),
        ("1. **12** أرسله\n\n2. two", [("ol", "rtl")]),  # a loose list: its items have paragraphs
        ("> ציטוט", [("blockquote", "rtl")]),
        ("- אחד\n  - one", [("ul", "rtl"), ("ul", "ltr")]),
        ("- one\n  - אחד", [("ul", "ltr"), ("ul", "rtl")]),
        ("|שם|b|\n|-|-|\n", [("table", "rtl")]),
        ("- 1\n- 2\n\nאחד", [("ul", "ltr")]),  # without letters, and what follows is not in it
    ],
)
def test_the_marks_of_a_container_are_on_the_side_where_its_first_letter_is(
    text: str, directions: list[tuple[str, str]]
) -> None:
    assert re.findall(r'<(ul|ol|blockquote|table) dir="(\w+)"', as_html(text)) == directions


def test_of_a_long_text_the_middle_is_left_out() -> None:
    text = "a" * 30_000 + "b" * 7 + "c" * 30_000
    assert as_text(text) == "a" * 25_000 + "\n\n⟦10,007 characters are not shown here⟧\n\n" + "c" * 25_000
    assert as_text("a" * MOST) == "a" * MOST


def test_an_image_is_named_and_not_loaded() -> None:
    html = as_html('![a "cat" <i>](http://evil.example/x.png?"onerror="y)')
    assert "<img" not in html
    assert html.startswith('<p dir="auto"><span class="image">[image: a &#34;cat&#34; &lt;i&gt; http://evil.example/')


def without_rows(html: str) -> str:
    """The HTML of an answer that is aligned, as it would be alone."""
    return re.sub(r' class="from-\d+ to-\d+"|(?<=level-\d|="table) from-\d+ to-\d+', "", html)


def test_each_block_of_two_answers_says_which_rows_it_takes() -> None:
    left = "# Top\n\n- one\n- two\n  - three\n\n> said\n\n```py\nx\n```\n\n    code\n\n---\n\n|a|\n|-|\n"
    pair = side_by_side(left, "Text.")
    assert pair.aligned
    assert pair.left == (
        '<h3 class="level-1 from-1 to-2" dir="auto">Top</h3>\n'
        '<ul dir="ltr">\n<li class="from-2 to-3">one</li>\n'
        '<li class="from-3 to-4">two\n<ul dir="ltr">\n<li>three</li>\n</ul>\n</li>\n</ul>\n'
        '<blockquote dir="ltr" class="from-4 to-5">\n<p dir="auto">said</p>\n</blockquote>\n'
        '<pre class="from-5 to-6"><code class="language-py">x\n</code></pre>\n'
        '<pre class="from-6 to-7"><code>code\n</code></pre>\n'
        '<hr class="from-7 to-8" />\n'
        '<div class="table from-8 to-9" tabindex="0" role="group" aria-label="Table"><table dir="ltr">\n'
        '<thead>\n<tr>\n<th dir="auto">a</th>\n</tr>\n</thead>\n</table></div>\n'
    )
    assert pair.right == '<p dir="auto" class="from-1 to-10">Text.</p>\n'
    assert without_rows(pair.left) == as_html(left)


def test_too_many_blocks_are_shown_as_they_are_alone() -> None:
    long = "a\n\n" * (MOST_ROWS + 1)
    assert side_by_side(long, "b") == SideBySide(as_html(long), as_html("b"), aligned=False)


@given(HOSTILE, HOSTILE)
def test_two_answers_have_no_other_html_than_one(left: str, right: str) -> None:
    pair = side_by_side(left, right)
    assert (without_rows(pair.left), without_rows(pair.right)) == (as_html(left), as_html(right))


@given(HOSTILE)
def test_no_text_makes_another_element_or_attribute(text: str) -> None:
    elements = Elements(as_html(text))
    assert {found for found in elements.found if not re.fullmatch(r"h3\(class,dir\)", found)} <= SAFE
    assert hidden_characters(elements.text) <= ORDINARY


def test_the_worst_text_has_only_links_that_lead_out() -> None:
    html = as_html(WORST)
    assert {link.partition(":")[0] for link in re.findall(r'href="([^"]*)"', html)} <= {"http", "https", "mailto"}


@pytest.mark.parametrize("piece", ["[", "![", "`", "> ", "- ", "**b**", "_e_", "<", "\\", "\n|---|---|\n", "\x1b[2J"])
def test_a_long_answer_is_rendered_in_seconds(piece: str) -> None:
    text = (piece * (MOST + 1))[: MOST + 1]
    began = time.process_time()
    assert as_html(text)
    assert time.process_time() - began < 20
    assert is_cut(text)
    assert not is_cut(text[:MOST])
