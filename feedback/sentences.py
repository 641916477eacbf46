"""Words, sentences and paragraphs of a text, found by punctuation. For English text; no model is involved."""

import re

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_LETTER = re.compile(r"[^\W\d_]")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”’)]*\s+|\n+")
_ENDED = re.compile(r"[.!?][\"'”’)*]*$")
_NUMBERED = re.compile(r"(?:^|\s)\d{1,2}[.)]\s+\S")
_BULLET = re.compile(r"[-*•]\s")


def words(text: str) -> list[str]:
    """The words in lower case. "Don't" and "well-made" are one word each; a number is a word."""
    return [word.casefold() for word in _WORD.findall(text)]


def sentences(text: str) -> list[str]:
    """The sentences. A part without letters, such as the number of a list item, is none.

    What follows the last end mark is a sentence too.
    """
    return [part for part in _SENTENCE_END.split(text.strip()) if _LETTER.search(part)]


def is_one_paragraph(text: str) -> bool:
    """Whether the text has no line break and no list, on lines of its own or in running text."""
    stripped = text.strip()
    return not ("\n" in stripped or _BULLET.match(stripped) or len(_NUMBERED.findall(stripped)) > 1)


def is_ended(text: str) -> bool:
    """Whether the text ends with a full stop, a question mark or an exclamation mark; quotation marks may follow."""
    return bool(_ENDED.search(text.strip()))
