"""A chat to imitate in the form of ShareGPT: `{conversations: [{from, value}, …]}`."""

from feedback.layouts import Form, Layout, Record, decoded, empty, parts, single, spoken


class ShareGPT(Layout):
    """The last turn is the answer, the turns before it are the prompt."""

    columns = frozenset({"conversations"})
    optional = frozenset({"system", "kto_tag"})

    def matches(self, record: Record) -> bool:
        """No turn has a label, which would rate it (SteerLM)."""
        return not any(turn.get("label") for turn in parts(record, "conversations"))

    def read(self, record: Record) -> Form:
        """One answer to imitate, or one with a thumb."""
        answers = {"conversations": spoken(decoded(record["conversations"]), record.get("system"))}
        return single(record, None, answers, empty(record, "system"))
