from evaluation.statistics.refused import PHRASES, refused


def test_a_refusal_stands_at_the_beginning() -> None:
    assert refused(["Yes. " * 50 + "I can't help you more."], PHRASES).tolist() == [0]
    assert refused(["NOPE!", "I can't help."], ["nope"]).tolist() == [1, 0]
    assert refused(["抱歉,我不能这样做。"], PHRASES).tolist() == [1]


def test_case_and_the_form_of_the_apostrophe_do_not_matter() -> None:
    assert refused(["I CAN’T HELP with that.", "Sorry: I cannot help."], PHRASES).tolist() == [1, 1]


def test_an_empty_answer_is_a_refusal() -> None:
    assert refused(["", " \n", "Yes."], PHRASES).tolist() == [1, 1, 0]
