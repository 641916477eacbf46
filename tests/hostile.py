"""Text that somebody outside writes to do harm, and what a page or a terminal must not make of it."""

from collections import Counter
from html.parser import HTMLParser

from hypothesis import strategies as st
from markdown_it import MarkdownIt

from core.shown import is_hidden

PIECES = (
    "[/red]", "[bold]x[/bold]", "[link=http://x]y[/link]", ":smile:",
    "\x1b[2J", "\x1b]0;pwned\x07", "\x1b[31m", "\x9b31m", "\r", "\x00", "\x08", "\x7f",
    "\u202e", "\u2066", "\u200f", "\ufeff", "\u2028", "\x85",
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</td></table>", "<!--", "]]>", "&lt;", "&#60;",
    '" onmouseover="x', "' onclick='x", "{{ 7*7 }}", "{% raw %}", "javascript:alert(1)",
    "| a | b |", "\n|---|---|\n", "\n# heading\n", "\n---\n", "\n```\n", "`code`", "**b**", "_e_", "~~s~~",
    "[x](javascript:alert(1))", "![](http://x/y.png)", "<http://x.org>", "https://x.org/a", "www.x.org", "a@b.org",
    "- item", "1. item", "> quote", "$\\frac{$", "$x^2$", "\\(x\\)", "\\", "\\\\", "\\n", "\n", "\t",
    "'; drop table x; --", "=cmd()", "../../etc/passwd", "%s %d {0} {x}", "‏אבג", "日本語", "🙂\u200d🙂", "a" * 300,
)  # fmt: skip
"""Markup of terminals, HTML, Markdown, mathematics, templates and formats; control and direction characters."""

WORD = "Mark7er"
"""A visible word that every hostile text begins with."""

HOSTILE = st.one_of(
    st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=20)), min_size=1, max_size=12).map("".join),
    st.sampled_from(PIECES).map(lambda piece: (piece * 10_000)[:10_000]),
).map(lambda text: f"{WORD} {text}")

WORST = f"{WORD} " + " ".join(PIECES)
"""All pieces at once."""


def hidden_characters(text: str) -> set[str]:
    """Characters in printed text that a terminal acts on."""
    return {character for character in text if is_hidden(character)}


class Elements(HTMLParser):
    """Counts the elements and attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found[f"{tag}({','.join(sorted(name for name, _ in attrs))})"] += 1

    def handle_comment(self, data: str) -> None:
        self.found["comment"] += 1

    def handle_data(self, data: str) -> None:
        self.text += data


def structure(markdown: str) -> Counter[str]:
    """The kinds of blocks and marks in a page of Markdown, texts and line breaks aside."""
    page = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown)
    tokens = [part for token in page for part in (token, *(token.children or ()))]
    return Counter(token.type for token in tokens if token.type not in ("text", "text_special", "softbreak"))
