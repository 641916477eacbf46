"""Answers as a person reads them: Markdown as HTML, which nothing in an answer can break out of.

HTML in an answer is shown as text. Images are not loaded, links do not tell where a reader comes from, and characters
that change the direction of text or are not visible are shown as escapes.
"""

from collections.abc import MutableMapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from markupsafe import Markup, escape

from core.shown import escaped

MOST = 50_000
"""Characters of one answer. The rest of a longer one is left out, and the page says so."""

SCHEMES = frozenset({"http", "https", "mailto"})
"""Links that work; others are shown as text."""

NON_JOINER = "\u200c"
"""Invisible, and needed in ordinary words of Persian, Urdu and others."""

_BLOCKS = frozenset({"paragraph_open", "heading_open", "blockquote_open", "list_item_open", "th_open", "td_open"})


def as_html(text: str) -> Markup:
    """The HTML of an answer: blocks, each with a text direction of its own."""
    shown = _visible(text.replace("\r\n", "\n")[:MOST])
    return Markup(_MARKDOWN.render(shown))


def as_text(text: str) -> Markup:
    """The text of a person, with its line breaks, and without a meaning for Markdown."""
    return escape(_visible(text.replace("\r\n", "\n")[:MOST]))


def verbatim(text: str) -> Markup:
    """A text for a field in which it is edited: every character as it is, since the field sends it back."""
    return escape(text)


def is_cut(text: str) -> bool:
    """Whether a page leaves out a part of the text."""
    return len(text) > MOST


def _visible(text: str) -> str:
    return escaped(text, lambda character: character if character == NON_JOINER else f"⟦U+{ord(character):04X}⟧")


def _markdown() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"])
    made.validateLink = _may_link  # type: ignore[method-assign]  # as its documentation says
    made.add_render_rule("image", _image)
    made.add_render_rule("link_open", _link)
    made.core.ruler.push("page", _for_a_page)
    return made


def _may_link(url: str) -> bool:
    try:
        return urlsplit(url).scheme in SCHEMES
    except ValueError:
        return False


def _for_a_page(state: Any) -> None:
    """Text of any direction, and headings below the ones of the page."""
    for token in state.tokens:
        if token.type in ("heading_open", "heading_close"):
            if token.nesting == 1:
                token.attrSet("class", f"level-{token.tag[1:]}")
            token.tag = "h3"
        if style := token.attrs.pop("style", ""):  # of a cell; the policy of pages ignores it
            token.attrSet("class", str(style).rpartition(":")[2])
        if token.type in _BLOCKS:
            token.attrSet("dir", "auto")


def _image(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: MutableMapping[str, Any]
) -> str:
    """The description and the address of an image, which is not loaded: its server would see who judges what."""
    token = tokens[index]
    description = renderer.renderInlineAsText(token.children or [], options, env)
    return str(Markup('<span class="image">[image: {} {}]</span>').format(description, token.attrGet("src") or ""))


def _link(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: MutableMapping[str, Any]
) -> str:
    tokens[index].attrs |= {"rel": "noopener noreferrer nofollow", "target": "_blank"}
    return renderer.renderToken(tokens, index, options, env)


_MARKDOWN = _markdown()
