r"""A preference as two transcripts, as in HH-RLHF (Bai et al. 2022): texts that begin with `\n\nHuman:`."""

from feedback.layouts import FIRST, Form, Layout, Published, Record
from feedback.transcripts import preference

_BEGINNING = "\n\nHuman:"


class HH(Layout):
    """`chosen` is the better answer; the prompt is what both transcripts begin with."""

    columns = frozenset({"chosen", "rejected"})
    published = Published("HH-RLHF by Anthropic", "MIT")

    def matches(self, record: Record) -> bool:
        """Both are transcripts, and there is no prompt beside them."""
        texts = [record["chosen"], record["rejected"]]
        return record.get("prompt") is None and all(
            isinstance(text, str) and text.startswith(_BEGINNING) for text in texts
        )

    def read(self, record: Record) -> Form:
        """The chosen answer comes first."""
        parts = preference({name: record[name] for name in ("chosen", "rejected")})
        answers = {name: parts[name] for name in ("chosen", "rejected")}
        return Form("comparison", parts["prompt"], answers, [FIRST], fields={"flags": parts["flags"]})
