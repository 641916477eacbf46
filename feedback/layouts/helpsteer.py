"""Ratings of HelpSteer 1 and 2 (Wang et al. 2023, 2024): one answer, five criteria from 0 to 4."""

from feedback.layouts import Form, Layout, Published, Record, number

CRITERIA = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")


class HelpSteer(Layout):
    """Higher is more of the criterion; more `complexity` and `verbosity` is not better."""

    columns = frozenset({"prompt", "response", *CRITERIA})
    published = Published("HelpSteer by NVIDIA", "CC-BY-4.0")

    def read(self, record: Record) -> Form:
        """One rating by each criterion."""
        judgements = [
            {"criterion": name, "scores": [number(record, name)], "scale_min": 0, "scale_max": 4} for name in CRITERIA
        ]
        native = {name: record[name] for name in CRITERIA}
        return Form("rating", record["prompt"], {"response": record["response"]}, judgements, native)
