"""A preference whose prompt is only in its answers: `{chosen, rejected}` as two whole conversations, as in TRL."""

from feedback.layouts import FIRST, Form, Layout, Record


class ImplicitPreference(Layout):
    """The prompt is the common beginning of both conversations."""

    columns = frozenset({"chosen", "rejected"})

    def matches(self, record: Record) -> bool:
        """Both are lists of turns, and there is no prompt beside them."""
        lists = all(isinstance(record[name], list) for name in ("chosen", "rejected"))
        return lists and record.get("prompt") is None

    def read(self, record: Record) -> Form:
        """The chosen answer comes first."""
        return Form("comparison", None, {name: record[name] for name in ("chosen", "rejected")}, [FIRST])
