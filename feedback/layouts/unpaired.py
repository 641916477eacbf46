"""A single answer with a thumb: `{prompt, completion, label}`, TRL's unpaired form, as for KTO and BCO."""

from feedback.layouts import Form, Layout, Record, thumb


class Unpaired(Layout):
    """`label` is true for a good answer, false for a bad one."""

    columns = frozenset({"prompt", "completion"})

    def matches(self, record: Record) -> bool:
        """There is a label."""
        return "label" in record

    def read(self, record: Record) -> Form:
        """A thumb is a score of 1 or 0."""
        answers = {"completion": record["completion"]}
        return Form("binary", record["prompt"], answers, [thumb(record, "label")], {"label": record["label"]})
