"""A chat to imitate: `{messages}`, as for the fine-tuning APIs of OpenAI and others."""

from feedback.layouts import Form, Layout, Record, single


class Messages(Layout):
    """The last turn is the answer, the turns before it are the prompt."""

    columns = frozenset({"messages"})
    optional = frozenset({"kto_tag"})

    def read(self, record: Record) -> Form:
        """One answer to imitate, or one with a thumb."""
        return single(record, None, {"messages": record["messages"]}, {})
