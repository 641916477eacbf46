"""Annotations of AlpacaEval (Li et al. 2023): two outputs, and a preference from 1, the first, to 2, the second."""

from core.errors import BadFeedback
from feedback.layouts import FIRST, SECOND, SKIP, TIE, Form, Layout, Published, Record, below, by_ai, kept, number


class AlpacaEval(Layout):
    """1.5 is a tie, as is 0 in older files; null means that the judge failed. Other values are probabilities.

    An `annotator` with a name, such as `weighted_alpaca_eval_gpt4_turbo`, is a model; people have numbers, or none.
    """

    columns = frozenset({"instruction", "output_1", "output_2", "preference"})
    optional = frozenset({"input"})
    verdict = frozenset({"preference"})
    published = Published("AlpacaEval by Stanford", "CC-BY-NC-4.0")

    def matches(self, record: Record) -> bool:
        """The input is a text, if there is one."""
        return record.get("input") is None or isinstance(record["input"], str)

    def read(self, record: Record) -> Form:
        """The outputs in their order; an `input` is below the instruction."""
        prompt = below(record, "instruction", "input")
        answers = {name: record[name] for name in ("output_1", "output_2")}
        judgement = _judgement(number(record, "preference"))
        native = kept(record, "preference", "input")
        return Form("comparison", prompt, answers, [judgement], native, by_ai(record) if _is_model(record) else {})


def _judgement(preference: float | None) -> dict[str, object]:
    if preference is None:
        return dict(SKIP)
    if preference != 0 and not 1 <= preference <= 2:
        raise BadFeedback(f"preference is {preference:g}, expected a number from 1 to 2, or 0 for a tie")
    if preference in (0, 1.5):
        return dict(TIE)
    return dict(FIRST if preference < 1.5 else SECOND)


def _is_model(record: Record) -> bool:
    name = record.get("annotator")
    return isinstance(name, str) and bool(name.strip()) and not name.strip().isdecimal()
