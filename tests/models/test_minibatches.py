import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.minibatches import map_microbatches, select_rows, split
from models.tokens import Batch, pad

texts = st.lists(st.lists(st.integers(1, 9), min_size=2, max_size=8), min_size=1, max_size=7)


def batch(lines: list[list[int]]) -> Batch:
    return pad([line[:1] for line in lines], [line[1:] for line in lines], pad_id=0)


def test_selected_rows_drop_columns_of_padding_only() -> None:
    part = select_rows(batch([[1, 2, 3, 4], [5, 6], [7, 8, 9]]), [2, 1])
    assert part.ids.tolist() == [[7, 8, 9], [5, 6, 0]]
    assert part.mask.tolist() == [[True, True, True], [True, True, False]]
    assert part.response.tolist() == [[False, True, True], [False, True, False]]


def test_minibatches_are_of_similar_length() -> None:
    assert split(batch([[1] * 8, [1] * 2, [1] * 7, [1] * 3]), 2) == [[1, 3], [2, 0]]


@settings(deadline=None, max_examples=50)
@given(texts, st.integers(1, 4))
def test_minibatches_give_the_same_result_as_the_whole_batch(lines: list[list[int]], size: int) -> None:
    whole = batch(lines)

    def doubled(part: Batch) -> torch.Tensor:
        return part.ids * part.mask * 2.0

    assert torch.equal(map_microbatches(doubled, whole, size), doubled(whole))
    sums = map_microbatches(lambda part: doubled(part).sum(1), whole, size)
    assert torch.equal(sums, doubled(whole).sum(1))
