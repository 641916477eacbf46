import pytest

from tasks.pages.cost import amount, duration, memory, money, processors, sentence
from tasks.state.cost import RoundCost
from tasks.state.usage import StepUsage

USED = StepUsage(wall=1800.0, cpu=3725.0, sampled=12345, trained=678, memory=2_340_000_000)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (41.2, "41 s"), (363, "6 min 3 s"), (7500, "2 h 5 min"), (273600, "3 d 4 h"), (59.7, "1 min 0 s")],
)
def test_a_duration_has_two_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_without_a_price_the_sentence_has_time_tokens_and_memory() -> None:
    text = sentence(RoundCost(steps={"policy": USED}), {"evaluate/win_rate": 0.6})
    assert text == "30 min 0 s (1 h 2 min of CPU); 12,345 tokens sampled, 678 trained on; peak memory 2.3 GB"


def test_with_a_price_it_has_money_and_what_a_point_and_a_vote_cost() -> None:
    cost = RoundCost(steps={"policy": USED}, hour=3.0, currency="EUR")
    assert money(cost) == "1.50 EUR"
    point, vote = "0.15 EUR per point of win rate above 50 %", "0.005 EUR per vote"
    assert sentence(cost, {"evaluate/win_rate": 0.6, "evaluate/votes": 300}).endswith(f"; 1.50 EUR, {point}, {vote}")
    assert sentence(cost, {"evaluate/win_rate": 0.5, "evaluate/votes": 300}).endswith(f"; 1.50 EUR, {vote}")
    assert sentence(cost, {"evaluate/votes": 0}).endswith("; 1.50 EUR")


def test_a_gpu_is_named_where_there_is_one() -> None:
    used = USED.plus(StepUsage(gpu=60.0, gpu_memory=5_000_000_000))
    assert processors(used) == "1 h 2 min of CPU, 1 min 0 s of GPU"
    assert memory(used) == "2.3 GB, 5.0 GB of GPU"


def test_small_amounts_keep_two_digits() -> None:
    assert [amount(value) for value in (1234.5, 1.0, 0.456, 0.00123)] == ["1,234.50", "1.00", "0.46", "0.0012"]
