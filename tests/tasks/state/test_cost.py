import pytest

from tasks.state.cost import RoundCost, numbers, points, priced
from tasks.state.prices import PriceSettings
from tasks.state.usage import StepUsage

STEPS = {
    "sft": StepUsage(wall=600.0, cpu=900.0, trained=70, memory=3),
    "policy": StepUsage(wall=1200.0, cpu=100.0, gpu=1100.0, sampled=40, trained=30, memory=2, gpu_memory=5),
}
WON = {"evaluate/win_rate": 0.55, "evaluate/votes": 300}


def test_without_a_price_the_cost_is_time() -> None:
    cost = priced(STEPS, PriceSettings())
    assert cost == RoundCost(steps=STEPS, hour=None, currency=None)
    assert numbers(cost, WON) == {
        "cost/wall_seconds": 1800.0,
        "cost/cpu_seconds": 1000.0,
        "cost/gpu_seconds": 1100.0,
        "cost/sampled_tokens": 40,
        "cost/trained_tokens": 100,
        "cost/peak_memory": 3,
        "cost/gpu_peak_memory": 5,
        "cost/seconds_per_point": pytest.approx(360.0),  # 1800 s for 5 points
        "cost/seconds_per_vote": 6.0,
        "cost/step_wall_seconds_sft": 600.0,
        "cost/step_cpu_seconds_sft": 900.0,
        "cost/step_wall_seconds_policy": 1200.0,
        "cost/step_cpu_seconds_policy": 100.0,
    }


def test_with_a_price_it_is_money_too() -> None:
    cost = priced(STEPS, PriceSettings(hour=3.0, currency="EUR"))
    assert (cost.money, cost.currency) == (1.5, "EUR")  # half an hour
    money = {name: value for name, value in numbers(cost, WON).items() if "money" in name}
    assert money == {
        "cost/money": 1.5,
        "cost/money_per_point": pytest.approx(0.3),
        "cost/money_per_vote": pytest.approx(0.005),
    }


@pytest.mark.parametrize("metrics", [{}, {"evaluate/win_rate": 0.5}, {"evaluate/win_rate": 0.4, "evaluate/votes": 0}])
def test_nothing_is_divided_by_a_gain_or_by_votes_that_do_not_exist(metrics: dict[str, float]) -> None:
    assert points(metrics) is None
    assert not [name for name in numbers(RoundCost(steps=STEPS, hour=3.0, currency="EUR"), metrics) if "_per_" in name]


def test_a_round_without_steps_used_nothing() -> None:
    assert numbers(RoundCost(steps={}), {})["cost/wall_seconds"] == 0.0
