from hypothesis import given
from hypothesis import strategies as st

from models.progress import draw


@given(st.integers(1, 20), st.integers(1, 30), st.integers(0, 5))
def test_each_pass_over_the_prompts_draws_every_prompt_once(count: int, size: int, seed: int) -> None:
    drawn = [i for iteration in range(4) for i in draw(count, size, iteration, seed)]
    for start in range(0, len(drawn) - count + 1, count):
        assert sorted(drawn[start : start + count]) == list(range(count))
