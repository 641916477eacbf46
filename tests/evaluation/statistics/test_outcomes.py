from evaluation.statistics.outcomes import agreement, wins


def test_a_tie_is_half_a_win() -> None:
    assert wins([2, 1, 1], [1, 1, 2]).tolist() == [1.0, 0.5, 0.0]


def test_agreement_is_the_share_of_the_votes_on_the_margins_side() -> None:
    assert agreement([0.3, -0.3, 0.0, -2.0], [0.75, 0.75, 1.0, 0.0]).tolist() == [0.75, 0.25, 0.5, 1.0]
