from typing import Any

import numpy as np

from evaluation.statistics.baseline import words


def pair(chosen: str, rejected: str, p: float = 1.0) -> dict[str, Any]:
    return {"chosen": chosen, "rejected": rejected, "p_chosen": p}


KIND = [pair("thank you kindly", "go away now"), pair("thank you all", "go away then")] * 5


def test_words_that_win_in_training_win_on_new_pairs() -> None:
    probabilities = words(KIND, [pair("thank you", "go away"), pair("go away", "thank you")])
    assert probabilities[0] > 0.9
    np.testing.assert_allclose(probabilities.sum(), 1.0)  # the swapped pair has the complementary probability


def test_ties_have_no_effect() -> None:
    probabilities = words([pair(p["chosen"], p["rejected"], 0.5) for p in KIND], [pair("thank you", "go away")])
    np.testing.assert_allclose(probabilities, 0.5, atol=1e-6)
