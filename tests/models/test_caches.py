import pytest
import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from models import caches
from tests.models import families

KINDS = ("llama", "mistral", "gemma3", "lfm2", "qwen3_5", "mamba")
each_kind = pytest.mark.parametrize("name", KINDS)
LONG, SHORT = [[5, 6, 7, 8, 9, 10, 11], [12, 13, 14, 15, 16, 17, 18]], [[20, 21, 22]]
"""Longer and shorter than the sliding window of 5."""


def prefilled(model: PreTrainedModel, prompts: list[list[int]]) -> DynamicCache:
    cache = DynamicCache(config=model.config)
    appended(model, cache, prompts, [list(range(len(prompts[0])))] * len(prompts), len(prompts[0]))
    return cache


@torch.no_grad()
def appended(
    model: PreTrainedModel, cache: DynamicCache, tokens: list[list[int]], positions: list[list[int]], columns: int
) -> Tensor:
    """Logits after tokens at these positions; a row's last `position + 1` of all columns are not padding."""
    ids, at = torch.tensor(tokens), torch.tensor(positions)
    mask = torch.arange(columns) >= columns - 1 - at[:, -1:]
    return caches.forward(model, ids, mask, at, cache)


@each_kind
def test_the_output_layer_gets_contiguous_hidden_states(name: str) -> None:
    """torch would multiply others row by row, in bfloat16 with a copy of the layer for each row."""
    model = families.model(name)
    seen: list[tuple[tuple[int, ...], bool]] = []
    head = model.get_output_embeddings()
    hook = head.register_forward_pre_hook(
        lambda _, args: seen.append((tuple(args[0].shape[:2]), args[0].is_contiguous()))
    )
    prefilled(model, LONG)
    hook.remove()
    assert seen == [((2, 1), True)]


@each_kind
def test_merged_rows_continue_as_alone(name: str) -> None:
    model = families.model(name)
    long, short = prefilled(model, LONG), prefilled(model, SHORT)
    merged, other = prefilled(model, SHORT), prefilled(model, LONG)
    assert caches.can_merge(merged)
    caches.merge(merged, other)
    for step in range(3):
        alone = [
            appended(model, short, [[40 + step]], [[3 + step]], 4 + step),
            appended(model, long, [[41 + step], [42 + step]], [[7 + step]] * 2, 8 + step),
        ]
        tokens = [[40 + step], [41 + step], [42 + step]]
        together = appended(model, merged, tokens, [[3 + step], [7 + step], [7 + step]], 8 + step)
        torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=0)


@each_kind
def test_selected_and_trimmed_rows_continue_as_alone(name: str) -> None:
    model = families.model(name)
    short, merged = prefilled(model, SHORT), prefilled(model, LONG)
    caches.merge(merged, prefilled(model, SHORT))
    caches.select(merged, torch.tensor([2]))
    caches.trim(merged, 3)
    for step in range(3):
        alone = appended(model, short, [[40 + step]], [[3 + step]], 4 + step)
        left = appended(model, merged, [[40 + step]], [[3 + step]], 4 + step)
        torch.testing.assert_close(left, alone, atol=1e-5, rtol=0)


def test_recurrent_layers_are_known_before_the_first_token() -> None:
    recurrent = {name: caches.is_recurrent(DynamicCache(config=families.config(name))) for name in KINDS}
    assert [name for name, value in recurrent.items() if value] == ["lfm2", "qwen3_5", "mamba"]


def test_a_layer_of_an_unknown_kind_is_not_merged() -> None:
    class Compressed(DynamicLayer):  # type: ignore[misc]
        """Stores something beside keys and values."""

    cache = DynamicCache(config=families.config("llama"))
    cache.layers[1] = Compressed()
    assert not caches.can_merge(cache)
