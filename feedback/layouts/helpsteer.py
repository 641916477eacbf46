"""Ratings of HelpSteer 1 and 2 (Wang et al. 2023, 2024): one answer, five criteria from 0 to 4."""

from feedback.layouts import Form, Layout, Published, Record, kept, number

CRITERIA = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")


class HelpSteer(Layout):
    """Higher is more of the criterion; more `complexity` and `verbosity` is not better. Null is not rated."""

    columns = frozenset({"prompt", "response", *CRITERIA})
    verdict = frozenset(CRITERIA)
    published = Published("HelpSteer by NVIDIA", "CC-BY-4.0")

    def matches(self, record: Record) -> bool:
        """There is a rating."""
        return any(record[name] is not None for name in CRITERIA)

    def read(self, record: Record) -> Form:
        """One rating by each criterion that is rated."""
        scores = {name: number(record, name) for name in CRITERIA}
        judgements = [
            {"criterion": name, "scores": [score], "scale_min": 0, "scale_max": 4}
            for name, score in scores.items()
            if score is not None
        ]
        answers = {"response": record["response"]}
        return Form("rating", record["prompt"], answers, judgements, kept(record, *CRITERIA))
