"""UltraFeedback binarized (Tunstall et al. 2023): a preference with the scores of both answers."""

from feedback.layouts import FIRST, Form, Layout, Published, Record, by_ai, kept, number


class UltraFeedbackBinarized(Layout):
    """`chosen` is the better answer; both are whole conversations. `messages` repeats the chosen one.

    The judgements are those of UltraFeedback, by GPT-4.
    """

    columns = frozenset({"prompt", "chosen", "rejected", "score_chosen", "score_rejected"})
    optional = frozenset({"messages"})
    published = Published("UltraFeedback binarized by Hugging Face H4", "MIT")

    def read(self, record: Record) -> Form:
        """The chosen answer comes first, also where the scores are equal."""
        scores = [number(record, "score_chosen"), number(record, "score_rejected")]
        answers = {name: record[name] for name in ("chosen", "rejected")}
        judgement = {**FIRST, "scores": scores, "scale_min": 1, "scale_max": 10}
        native = {name: record[name] for name in ("score_chosen", "score_rejected")}
        if record.get("messages") != record["chosen"]:
            native |= kept(record, "messages")
        return Form("comparison", record["prompt"], answers, [judgement], native, by_ai(record))
