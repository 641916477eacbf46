"""Answers as a person reads them: Markdown as HTML, which nothing in an answer can break out of.

HTML in an answer is shown as text. Images are not loaded, links do not tell where a reader comes from, and characters
that override the direction of text or hide something are shown as escapes.
"""

from collections.abc import MutableMapping, Sequence
from typing import Any, NamedTuple
from unicodedata import bidirectional
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from markupsafe import Markup, escape

from core.shown import escaped
from serving.pages import alignment
from serving.pages.alignment import Block

MOST = 50_000
"""Characters of one text. Of a longer one, the beginning and the end are shown, and the page says so."""

SCHEMES = frozenset({"http", "https", "mailto"})
"""Links that work; others are shown as text."""

ORDINARY = frozenset("\u200b\u200c\u200e\u200f\u061c\u00ad\u2060\ufeff")
"""Invisible, and usual in text: marks of direction between words of Hebrew and Arabic, the non-joiner in words of
Persian and Urdu, where a line may break and where not, and the mark that begins a file. None reorders other words, as
embeddings, overrides and isolates do."""

_LISTS = frozenset({"bullet_list_open", "ordered_list_open"})
_DIRECTED = frozenset({"paragraph_open", "heading_open", "th_open", "td_open"})
"""Their direction is that of their own text, which the browser finds."""
_CONTAINERS = frozenset({*_LISTS, "blockquote_open", "table_open"})
"""Their direction says on which side marks, bars and first columns are. The browser would not find it: it passes over
text in elements that have a direction of their own."""


class SideBySide(NamedTuple):
    """The HTML of two answers that are compared."""

    left: Markup
    right: Markup
    aligned: bool
    """Whether each block has the classes of the rows that it takes of a grid of both answers."""


def as_html(text: str) -> Markup:
    """The HTML of an answer: blocks, each with a text direction of its own."""
    return _html(_parsed(text))


def side_by_side(left: str, right: str) -> SideBySide:
    """The HTML of two answers, whose blocks are aligned unless there are too many."""
    parsed = [_parsed(left), _parsed(right)]
    blocks = [_blocks(tokens) for tokens in parsed]
    spans = alignment.align(*([block for _, block in side] for side in blocks))
    for side, places in zip(blocks, spans or (), strict=False):
        for (token, _), span in zip(side, places, strict=True):
            _place(token, span.classes)
    return SideBySide(_html(parsed[0]), _html(parsed[1]), aligned=spans is not None)


def as_text(text: str) -> Markup:
    """The text of a person, with its line breaks, and without a meaning for Markdown."""
    return escape(_shown(text))


def verbatim(text: str) -> Markup:
    """A text for a field in which it is edited: every character as it is, since the field sends it back."""
    return escape(text)


def is_cut(text: str) -> bool:
    """Whether a page leaves out a part of the text."""
    return len(text) > MOST


def _parsed(text: str) -> list[Token]:
    return _MARKDOWN.parse(_shown(text))


def _html(tokens: Sequence[Token]) -> Markup:
    return Markup(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}))


def _blocks(tokens: Sequence[Token]) -> list[tuple[Token, Block]]:
    """The blocks of an answer, each with its first token. An item of a list is one, with the lists in it."""
    starts = [place for place, token in enumerate(tokens) if _begins_block(token)]
    ends = [*starts[1:], len(tokens)]
    return [
        (tokens[start], Block(tokens[start].type, "\n".join(token.content for token in tokens[start:end])))
        for start, end in zip(starts, ends, strict=True)
    ]


def _begins_block(token: Token) -> bool:
    if token.type in _LISTS or token.nesting < 0:
        return False
    return token.level == 0 or (token.level == 1 and token.type == "list_item_open")


def _place(token: Token, classes: str) -> None:
    """Give the element of a block, which begins with the token, classes."""
    if token.type == "fence":
        token.meta["classes"] = classes  # its attributes are those of the element `code` in it
    else:
        token.attrJoin("class", classes)


def _shown(text: str) -> str:
    """What a reader sees of a text: hidden characters as escapes, and both ends of a long one."""
    if is_cut(text):
        half = MOST // 2
        text = f"{text[:half]}\n\n⟦{len(text) - 2 * half:,} characters are not shown here⟧\n\n{text[-half:]}"
    return escaped(text.replace("\r\n", "\n"), _escape)


def _escape(character: str) -> str:
    return character if character in ORDINARY else f"⟦U+{ord(character):04X}⟧"


def _markdown() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"])
    made.validateLink = _may_link  # type: ignore[method-assign]  # as its documentation says
    made.add_render_rule("image", _image)
    made.add_render_rule("link_open", _link)
    made.add_render_rule("fence", _fence)
    made.add_render_rule("table_open", _table)
    made.add_render_rule("table_close", _end_of_table)
    made.core.ruler.push("page", _for_a_page)
    return made


def _may_link(url: str) -> bool:
    try:
        return urlsplit(url).scheme in SCHEMES
    except ValueError:
        return False


def _for_a_page(state: Any) -> None:
    """Text of any direction, and headings below the ones of the page."""
    for place, token in enumerate(state.tokens):
        if token.type in ("heading_open", "heading_close"):
            if token.nesting == 1:
                token.attrSet("class", f"level-{token.tag[1:]}")
            token.tag = "h3"
        if style := token.attrs.pop("style", ""):  # of a cell; the policy of pages ignores it
            token.attrSet("class", str(style).rpartition(":")[2])
        if token.type in _DIRECTED:
            token.attrSet("dir", "auto")
        if token.type in _CONTAINERS:
            token.attrSet("dir", _direction(state.tokens, place))


def _direction(tokens: Sequence[Token], place: int) -> str:
    """The direction of the first letter in a container that begins at a place."""
    level = tokens[place].level
    for number in range(place + 1, len(tokens)):
        token = tokens[number]
        if token.level == level:
            break
        kinds = map(bidirectional, token.content) if token.type == "inline" else ()
        if kind := next((kind for kind in kinds if kind in ("L", "R", "AL")), None):
            return "ltr" if kind == "L" else "rtl"
    return "ltr"


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


def _fence(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: MutableMapping[str, Any]
) -> str:
    html = renderer.fence(tokens, index, options, env)
    classes = tokens[index].meta.get("classes")
    return html.replace("<pre>", f'<pre class="{classes}">', 1) if classes else html


def _table(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: MutableMapping[str, Any]
) -> str:
    """A table scrolls in a box of its own, which a keyboard reaches, where it is wider than the answer."""
    classes = ["table", *str(tokens[index].attrs.pop("class", "")).split()]
    table = renderer.renderToken(tokens, index, options, env)
    return f'<div class="{" ".join(classes)}" tabindex="0" role="group" aria-label="Table">{table}'


def _end_of_table(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: MutableMapping[str, Any]
) -> str:
    return "</table></div>\n"


_MARKDOWN = _markdown()
