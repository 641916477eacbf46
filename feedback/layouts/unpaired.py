"""A single answer with a thumb: `{prompt, completion, label}`, TRL's unpaired form, as for KTO and BCO."""

from feedback.layouts import Form, Layout, Record, one_of

_THUMBS = {True: 1, False: 0, "true": 1, "false": 0, "True": 1, "False": 0, "1": 1, "0": 0}
"""The number 1 equals True, 0 equals False. Texts are from CSV."""


class Unpaired(Layout):
    """`label` is true for a good answer, false for a bad one."""

    columns = frozenset({"prompt", "completion"})

    def matches(self, record: Record) -> bool:
        """There is a label."""
        return "label" in record

    def read(self, record: Record) -> Form:
        """A thumb is a score of 1 or 0."""
        score = one_of(record, "label", _THUMBS)
        judgement = {"scores": [score], "scale_min": 0, "scale_max": 1}
        return Form(
            "binary", record["prompt"], {"completion": record["completion"]}, [judgement], {"label": record["label"]}
        )
