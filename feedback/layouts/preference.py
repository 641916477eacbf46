"""A preference with its prompt: `{prompt, chosen, rejected}`, as in TRL and OpenRLHF. Texts or lists of turns."""

from feedback.layouts import FIRST, Form, Layout, Record


class Preference(Layout):
    """`chosen` is the better answer."""

    columns = frozenset({"prompt", "chosen", "rejected"})

    def read(self, record: Record) -> Form:
        """The chosen answer comes first."""
        answers = {name: record[name] for name in ("chosen", "rejected")}
        return Form("comparison", record["prompt"], answers, [FIRST])
