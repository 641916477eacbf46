from benchmarks.real_model import RealRound, ShownAnswers, details, examples
from benchmarks.rounds import Gain
from evaluation.statistics.intervals import Interval

NAMES = ("one_paragraph", "to_the_reader", "medium_sentences", "finished")


def test_what_an_answer_is_made_of_before_and_after() -> None:
    gain = Gain(0, 1, 1.2, 1.6, Interval(0.4, 0.2, 0.6, 300), 0.6, "promote", 100, 120)
    *_, row = details([RealRound(gain, 0.875, dict.fromkeys(NAMES, (0.25, 0.5)))]).splitlines()
    assert row == "| 0 | 1 | 0.88 |" + " 25% → 50% |" * 4


def test_answers_are_quoted_and_an_empty_one_is_named() -> None:
    text = examples([ShownAnswers(1, "How do I fold a shirt?", "Lay it flat.\n\nFold it.", " ")])
    assert "Champion:\n\n> Lay it flat.\n>\n> Fold it." in text
    assert text.endswith("Candidate:\n\n> (empty)")
