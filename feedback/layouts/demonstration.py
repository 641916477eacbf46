"""A demonstration: `{prompt, completion}`, as in TRL."""

from feedback.layouts import Form, Layout, Record


class Demonstration(Layout):
    """One answer to imitate."""

    columns = frozenset({"prompt", "completion"})

    def matches(self, record: Record) -> bool:
        """There is no label beside it, not even one that is null: then nothing says that the answer is good."""
        return "label" not in record

    def read(self, record: Record) -> Form:
        """The completion is the answer."""
        return Form("demonstration", record["prompt"], {"completion": record["completion"]})
