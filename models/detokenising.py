"""The text of an answer while its tokens arrive: right for characters of several bytes, and cut at stop sequences.

The pieces together are the text that `models.tokens.decode_answer` gives for the whole answer.
"""

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

INCOMPLETE = "\N{REPLACEMENT CHARACTER}"
"""What the bytes of a character that is not complete yet are decoded as."""


class AnswerText:
    """The text of one answer. A piece is given out once no later token can change it."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, stop: Sequence[str] = ()) -> None:
        """No token yet.

        Args:
            tokenizer: decodes; it is not changed.
            stop: texts before the first of which the answer ends.
        """
        self.stopped = False
        """Whether a stop sequence has come."""
        self._tokenizer, self._stop = tokenizer, tuple(stop)
        self._ids: list[int] = []
        self._before, self._given = 0, 0
        self._pending, self._space, self._begun = "", "", False

    def add(self, ids: Sequence[int]) -> str:
        """Append tokens; the text that is certain from now on. After a stop sequence nothing follows."""
        self._ids += ids
        if not self.stopped:
            self._pending += self._decoded(final=False)
        return self._released(final=False)

    def end(self) -> str:
        """The rest of the text: no token follows."""
        if not self.stopped:
            self._pending += self._decoded(final=True)
        return self._released(final=True)

    def _decoded(self, final: bool) -> str:
        """The text of the tokens that were not given out; "" while they end inside a character.

        They are decoded together with those before them, since the text of a token may depend on its neighbours.
        """
        before, text = self._decode(self._ids[self._before : self._given]), self._decode(self._ids[self._before :])
        if not final and (text.endswith(INCOMPLETE) or len(text) <= len(before)):
            return ""
        self._before, self._given = self._given, len(self._ids)
        return text[len(before) :]

    def _decode(self, ids: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    def _released(self, final: bool) -> str:
        """What may be given out: nothing that may be the beginning of a stop sequence, nor white space at an end."""
        found = [place for text in self._stop if (place := self._pending.find(text)) >= 0]
        if found:
            self.stopped, ready, self._pending = True, self._pending[: min(found)], ""
        else:
            held = 0 if final else max((_overlap(self._pending, text) for text in self._stop), default=0)
            ready, self._pending = (
                self._pending[: len(self._pending) - held],
                self._pending[len(self._pending) - held :],
            )
        text = self._space + ready if self._begun else ready.lstrip()
        piece = text.rstrip()
        self._space, self._begun = text[len(piece) :], self._begun or bool(piece)
        return piece


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of a text that is a beginning of a stop sequence, but not all of it."""
    return next((size for size in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:size])), 0)
