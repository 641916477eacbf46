"""UltraFeedback as released (Cui et al. 2023): completions of one instruction, rated by GPT-4.

The first release has an `overall_score` of 10 where the critique gave 1, in many of 2,628 completions. Its authors
corrected it in December 2023 by the mean of the ratings by criterion, and so does this layout, for both releases.
"""

from collections.abc import Mapping
from typing import Any

from core.errors import BadFeedback
from feedback.layouts import Form, Layout, Published, Record, by_ai, by_scores, number, parts, without

CRITERIA = ("instruction_following", "honesty", "truthfulness", "helpfulness")

Completion = Mapping[str, Any]


class UltraFeedback(Layout):
    """A ranking by `overall_score` (1 to 10), and by the rating of each criterion (1 to 5); higher is better.

    A score of 10 counts as 1 if the mean of the ratings is at most 2 (flag `overall_score_corrected`), and is left out
    if the mean is at most 4 or not known, because then 1 and 10 are both possible (flag `overall_score_unclear`).
    """

    columns = frozenset({"instruction", "completions"})
    published = Published("UltraFeedback by OpenBMB", "MIT")

    def matches(self, record: Record) -> bool:
        """Completions have a response and annotations."""
        return bool(parts(record, "completions", "response", "annotations"))

    def read(self, record: Record) -> Form:
        """The completions in their order."""
        completions = parts(record, "completions")
        answers = {
            f"completions[{ix}].response": {"messages": completion["response"], "model": completion.get("model")}
            for ix, completion in enumerate(completions)
        }
        overall = [_overall(completion) for completion in completions]
        judgements = [
            by_scores([score for score, _ in overall], criterion="overall", scale_min=1, scale_max=10),
            *(
                by_scores([_rating(one, name) for one in completions], criterion=name, scale_min=1, scale_max=5)
                for name in CRITERIA
            ),
        ]
        flags = sorted({flag for _, flag in overall if flag})
        native = {"completions": without(completions, "response")}
        fields = by_ai(record) | {"flags": flags}
        return Form("ranking", record["instruction"], answers, judgements, native, fields)


def _overall(completion: Completion) -> tuple[float | None, str]:
    """The overall score that counts, and the flag of a score that does not."""
    score = number(completion, "overall_score")
    if score != 10:
        return score, ""
    ratings = [rating for name in CRITERIA if (rating := _rating(completion, name)) is not None]
    mean = sum(ratings) / len(ratings) if ratings else None
    if mean is None or 2 < mean <= 4:
        return None, "overall_score_unclear"
    return (1, "overall_score_corrected") if mean <= 2 else (10, "")


def _rating(completion: Completion, criterion: str) -> float | None:
    annotations = completion["annotations"]
    annotation = (annotations.get(criterion) or {}) if isinstance(annotations, Mapping) else annotations
    if not isinstance(annotation, Mapping):
        raise BadFeedback(f"annotations: {criterion} is {annotation!r:.60}, expected an object with a Rating")
    return None if annotation.get("Rating") == "N/A" else number(annotation, "Rating")
