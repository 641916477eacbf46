"""Packed rows give the scores and gradients of texts in rows of their own."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from models import packing
from models.compute import Compute
from models.packing import pack, visible
from models.scorer import Scorer
from models.tokens import Batch, pad
from tests.models import families
from tests.models.test_scorer import ARCHITECTURES, tiny

COUNTS = (1, 4, 2)
"""Answers to each prompt."""
PROMPTS = ([5, 6, 7, 8], [20, 21], [30, 31, 32, 33, 34, 35])
LENGTHS = (3, 1, 7, 2, 5, 4, 4)
"""Tokens of each answer."""

groups = st.lists(
    st.tuples(
        st.lists(st.integers(0, 99), min_size=1, max_size=6),
        st.lists(st.lists(st.integers(0, 99), max_size=6), min_size=1, max_size=4),
    ),
    min_size=1,
    max_size=4,
)
"""Prompts with their answers, some of which may be empty."""


def texts() -> Batch:
    prompts = [prompt for prompt, count in zip(PROMPTS, COUNTS, strict=True) for _ in range(count)]
    answers = [[40 + 9 * ix + position for position in range(length)] for ix, length in enumerate(LENGTHS)]
    return pad(prompts, answers, 0)


def scorer(name: str, likelihood: float) -> Scorer:
    made = Scorer.from_policy(tiny(name), likelihood, surprise=3.0)
    torch.manual_seed(1)
    torch.nn.init.normal_(made.head.weight)
    return made


def gradients(model: Scorer, counts: tuple[int, ...]) -> list[Tensor]:
    """Of a sum in which every text has its own weight."""
    for parameter in model.parameters():
        parameter.grad = None
    scores = model(texts(), counts)
    torch.autograd.backward((scores * torch.arange(1, len(scores) + 1)).sum())
    return [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]


def test_a_packed_row_by_hand() -> None:
    packed = pack(pad([[5, 6], [5, 6], [7]], [[8], [9, 1], [3, 1]], 0), (2, 1))
    assert packed.ids.tolist() == [[5, 6, 8, 9, 1], [7, 3, 1, 0, 0]]
    assert packed.positions.tolist() == [[0, 1, 2, 2, 3], [0, 1, 2, 0, 0]]
    assert packed.parts.tolist() == [[0, 0, 1, 2, 2], [0, 1, 1, -1, -1]]
    assert packed.places.tolist() == [[0, 1, 2, 0], [0, 1, 3, 4], [5, 6, 7, 0]]
    seen = visible(packed.parts)[0, 0].int().tolist()
    assert seen == [[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0], [1, 1, 0, 1, 0], [1, 1, 0, 1, 1]]


@given(groups)
def test_each_token_sees_its_own_text_up_to_itself(groups: list[tuple[list[int], list[list[int]]]]) -> None:
    batch = pad([prompt for prompt, own in groups for _ in own], [text for _, own in groups for text in own], 0)
    packed = pack(batch, [len(own) for _, own in groups])
    assert int((packed.parts >= 0).sum()) == sum(len(prompt) + sum(map(len, own)) for prompt, own in groups)
    seen = visible(packed.parts)[:, 0]
    assert seen.any(dim=-1).all()
    width = packed.ids.shape[1]
    for ids, places, length in zip(batch.ids, packed.places, batch.mask.sum(dim=1).tolist(), strict=True):
        for position in range(length):
            row, place = divmod(int(places[position]), width)
            own = packed.ids[row][seen[row, place]].tolist()
            assert own == ids[: position + 1].tolist()
            assert packed.positions[row][seen[row, place]].tolist() == list(range(position + 1))


def test_states_are_those_of_the_texts() -> None:
    packed = pack(texts(), COUNTS)
    states = torch.stack([packed.ids, packed.positions], dim=-1)  # (R, W, 2)
    mask = texts().mask
    assert torch.equal(packed.unpacked(states)[..., 0][mask], texts().ids[mask])


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("likelihood", [0.0, 0.5])
def test_scores_and_gradients_are_those_of_texts_apart(name: str, likelihood: float) -> None:
    model = scorer(name, likelihood)
    torch.testing.assert_close(model(texts(), COUNTS), model(texts()), rtol=1e-5, atol=1e-5)
    together, apart = gradients(model, COUNTS), gradients(model, ())
    assert len(together) == len(apart)
    for first, second in zip(together, apart, strict=True):
        torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-5 * max(1.0, second.abs().max().item()))


@pytest.mark.parametrize("change", [{"tie_word_embeddings": True}, {"attn_implementation": "eager"}])
def test_tied_weights_and_attention_by_plain_operations(change: dict[str, object]) -> None:
    network = families.network("llama", **change)
    batch, mask = texts(), texts().mask
    expected = network.hidden(batch.ids)[mask]
    torch.testing.assert_close(network.hidden_packed(pack(batch, COUNTS))[mask], expected, rtol=1e-4, atol=1e-5)


def test_layers_that_are_computed_again_have_the_same_gradients() -> None:
    model = scorer("llama", 0.5)
    kept = gradients(model, COUNTS)
    model.network.compute = Compute(recompute=True)
    for first, second in zip(kept, gradients(model, COUNTS), strict=True):
        torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-6)


def test_bfloat16_gives_the_scores_up_to_its_rounding() -> None:
    model = scorer("llama", 0.0)
    expected = model(texts(), COUNTS)
    model.network.compute = Compute(dtype="bfloat16")
    torch.testing.assert_close(model(texts(), COUNTS), expected, rtol=0.05, atol=0.05)


def test_the_share_of_operations_by_hand() -> None:
    prompts, answers, first = np.array([4, 2]), np.array([2, 2, 3]), np.array([0, 2])
    packed = 8 * (6 * 10 + 8) + 5 * (6 * 10 + 5)
    apart = 2 * 6 * (6 * 10 + 3) + 5 * (6 * 10 + 2.5)
    assert packing.share(prompts, answers, first, hidden=10) == pytest.approx(packed / apart)
