"""Ratings in the form of SteerLM (NeMo-Aligner): `{conversations: [{from, value, label}]}` with labels as text."""

from typing import Any

from core.errors import BadFeedback
from feedback.layouts import Form, Layout, Record, empty, number, parts, spoken


class SteerLM(Layout):
    """The label of the last turn rates it: `helpfulness:4,verbosity:2`, from 0 to 4. Earlier labels are kept."""

    columns = frozenset({"conversations"})
    optional = frozenset({"system"})

    def matches(self, record: Record) -> bool:
        """A turn has a label."""
        return any(turn.get("label") for turn in parts(record, "conversations", "from", "value"))

    def read(self, record: Record) -> Form:
        """One rating by each criterion of the label."""
        turns = parts(record, "conversations")
        answers = {"conversations": spoken([*turns], record.get("system"))}
        return Form("rating", None, answers, _judgements(turns[-1].get("label")), empty(record, "system"))


def _judgements(label: object) -> list[dict[str, Any]]:
    if not isinstance(label, str) or not label:
        raise BadFeedback("the last turn has no label, expected one such as `helpfulness:4,verbosity:2`")
    pairs = [pair.partition(":") for pair in label.split(",")]
    return [
        {"criterion": name, "scores": [number({name: value}, name)], "scale_min": 0, "scale_max": 4}
        for name, _, value in pairs
    ]
