"""A single answer with a thumb in the form of NeMo-Aligner for KTO: `{prompt, response, preference}`."""

from feedback.layouts import Form, Layout, Record, kept, one_of


class NeMoKTO(Layout):
    """`preference` is `chosen` for a good answer, `rejected` for a bad one."""

    columns = frozenset({"prompt", "response", "preference"})

    def read(self, record: Record) -> Form:
        """A thumb is a score of 1 or 0."""
        score = one_of(record, "preference", {"chosen": 1, "rejected": 0})
        judgement = {"scores": [score], "scale_min": 0, "scale_max": 1}
        answers = {"response": record["response"]}
        return Form("binary", record["prompt"], answers, [judgement], kept(record, "preference"))
