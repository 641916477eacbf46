import numpy as np

from models import likelihood_start


def test_the_default_is_for_models_from_scratch_only() -> None:
    assert likelihood_start.weight(None, "scratch") == 0.2
    assert likelihood_start.weight(None, "some/model") == 0.0
    assert likelihood_start.weight(0.1, "some/model") == 0.1


def test_margins_that_vary_too_much_are_a_problem() -> None:
    margins = np.array([4.0, -3.0] * 10)  # standard deviation 3.5
    problem = likelihood_start.problem(margins, np.ones(20), 0.2)
    assert problem is not None
    assert "3.5 log-odds" in problem
    assert problem.endswith("set reward.likelihood=0")
    assert likelihood_start.problem(margins / 2, np.ones(20), 0.2) is None


def test_a_likelihood_that_disagrees_stops_the_step() -> None:
    margins = np.where(np.arange(300) < 135, 1.0, -1.0)  # agrees with 45 % of 300: 1.73 standard errors below one half
    assert "45% of 300" in (likelihood_start.problem(margins, np.ones(300), 0.2) or "")
    assert likelihood_start.problem(margins[:20], np.ones(20), 0.2) is None  # agrees with all
    assert likelihood_start.problem(margins, np.full(300, 0.5), 0.2) is None  # ties decide nothing
