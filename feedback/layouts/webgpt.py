"""WebGPT comparisons (Nakano et al. 2021): two answers, each with a score of which the higher is better."""

from collections.abc import Mapping

from feedback.layouts import Form, Layout, Record, by_score, decoded, kept, number


class WebGPT(Layout):
    """Equal scores are a tie. The question is a text, or an object with its `full_text`."""

    columns = frozenset({"question", "answer_0", "answer_1", "score_0", "score_1"})
    verdict = frozenset({"score_0", "score_1"})

    def read(self, record: Record) -> Form:
        """The answers in their order."""
        question = decoded(record["question"])
        prompt = question.get("full_text") if isinstance(question, Mapping) else question
        answers = {name: record[name] for name in ("answer_0", "answer_1")}
        judgement = by_score(number(record, "score_0"), number(record, "score_1"))
        return Form("comparison", prompt or "", answers, [judgement], kept(record, "question", "score_0", "score_1"))
