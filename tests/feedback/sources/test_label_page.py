from feedback.sources import Intake
from feedback.sources.label_page import LabelPage


def test_answers_are_collected_for_it_and_it_reads_nothing() -> None:
    assert LabelPage.labels
    assert list(LabelPage().read(Intake(round=1, seed=0))) == []
