"""Ratings by a model in the form of Distilabel's task UltraFeedback: `{instruction, generations, ratings}`."""

from core.errors import BadFeedback
from feedback.layouts import Form, Layout, Record, by_ai, by_scores, decoded, kept, number


class Distilabel(Layout):
    """A ranking by `ratings` from 1 to 5, of which the higher is better; null is not rated."""

    columns = frozenset({"instruction", "generations", "ratings"})
    optional = frozenset({"generation_models"})

    def read(self, record: Record) -> Form:
        """The generations in their order."""
        texts, ratings = _list(record, "generations"), _list(record, "ratings")
        models = _list(record, "generation_models") if record.get("generation_models") else [None] * len(texts)
        if not len(texts) == len(ratings) == len(models):
            raise BadFeedback(f"ratings has {len(ratings)} values, expected {len(texts)}, one per generation")
        answers = {
            f"generations[{ix}]": {"messages": text, "model": model}
            for ix, (text, model) in enumerate(zip(texts, models, strict=True))
        }
        scores = [number({"ratings": rating}, "ratings") for rating in ratings]
        kind = {1: "rating", 2: "comparison"}.get(len(texts), "ranking")
        scale = {"scale_min": 1, "scale_max": 5}
        judgement = {"scores": scores, **scale} if kind == "rating" else by_scores(scores, **scale)
        return Form(kind, record["instruction"], answers, [judgement], kept(record, "ratings"), by_ai(record))


def _list(record: Record, column: str) -> list[object]:
    value = decoded(record[column])
    if not isinstance(value, list):
        raise BadFeedback(f"{column} is not a list, expected one value per generation")
    return value
