"""A chat to imitate: `{messages}`, as for the fine-tuning APIs of OpenAI and others."""

from feedback.layouts import Form, Layout, Record


class Messages(Layout):
    """The last turn is the answer, the turns before it are the prompt."""

    columns = frozenset({"messages"})

    def read(self, record: Record) -> Form:
        """One answer to imitate."""
        return Form("demonstration", None, {"messages": record["messages"]})
