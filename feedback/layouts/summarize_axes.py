"""Ratings of summaries (Stiennon et al. 2020): `{info, summary: {text, axes}}`."""

from collections.abc import Mapping

from feedback.layouts import Form, Layout, Record, decoded, number, without
from feedback.layouts.summarize_comparison import about, annotator, request

AXES = ("overall", "accuracy", "coverage", "coherence")


class SummarizeAxes(Layout):
    """A rating from 1 to 7 by each axis; higher is better."""

    columns = frozenset({"info", "summary"})
    optional = frozenset({"worker"})

    def matches(self, record: Record) -> bool:
        """The summary has axes."""
        info, summary = decoded(record["info"]), decoded(record["summary"])
        return isinstance(info, Mapping) and isinstance(summary, Mapping) and isinstance(summary.get("axes"), Mapping)

    def read(self, record: Record) -> Form:
        """One answer with its ratings; the worker is the annotator."""
        summary = decoded(record["summary"])
        judgements = [
            {"criterion": name, "scores": [number(summary["axes"], name)], "scale_min": 1, "scale_max": 7}
            for name in AXES
            if summary["axes"].get(name) is not None
        ]
        answer = {"messages": summary.get("text"), "model": summary.get("policy")}
        [others] = without([summary], "text", "policy")
        native = {"info": about(record), "summary": others}
        return Form("rating", request(record), {"summary.text": answer}, judgements, native, annotator(record))
