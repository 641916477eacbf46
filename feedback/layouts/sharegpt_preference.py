"""A preference in the form of ShareGPT: `{conversations, chosen, rejected}`, turns as `{from, value}`."""

from feedback.layouts import FIRST, Form, Layout, Record, empty, spoken


class ShareGPTPreference(Layout):
    """`chosen` is the better answer to the conversation."""

    columns = frozenset({"conversations", "chosen", "rejected"})
    optional = frozenset({"system"})

    def read(self, record: Record) -> Form:
        """The chosen answer comes first; an answer is one turn, or a list of one."""
        answers = {
            name: spoken(value if isinstance(value, list) else [value])
            for name, value in ((name, record[name]) for name in ("chosen", "rejected"))
        }
        prompt = spoken(record["conversations"], record.get("system"))
        return Form("comparison", prompt, answers, [FIRST], empty(record, "system"))
