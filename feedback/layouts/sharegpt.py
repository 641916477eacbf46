"""A chat to imitate in the form of ShareGPT: `{conversations: [{from, value}, …]}`."""

from feedback.layouts import Form, Layout, Record, spoken


class ShareGPT(Layout):
    """The last turn is the answer, the turns before it are the prompt."""

    columns = frozenset({"conversations"})
    optional = frozenset({"system"})

    def read(self, record: Record) -> Form:
        """One answer to imitate."""
        return Form("demonstration", None, {"conversations": spoken(record["conversations"], record.get("system"))})
