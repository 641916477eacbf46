"""Which model families compute packed rows right."""

from typing import Any

import pytest

from models import packing_check
from tests.models import families

REFUSED = ("llama dynamic", "mistral", "gemma2", "gemma3", "bloom", "lfm2", "qwen3_5", "mamba", "mamba2")
"""Frequencies that depend on the longest text, sliding windows, ALiBi, convolutions, and recurrent layers."""


@pytest.mark.parametrize("name", families.FAMILIES)
def test_a_family_is_accepted_if_its_packed_rows_are_right(name: str) -> None:
    assert packing_check.accepts(families.network(name)) == (name not in REFUSED)


@pytest.mark.parametrize("name", ["llama", "qwen3", "gpt2", "opt"])
def test_the_difference_is_rounding_or_large(name: str) -> None:
    assert packing_check.mismatch(families.model(name)) < packing_check.LIMIT / 20
    assert packing_check.mismatch(families.model("mistral")) > 1000 * packing_check.LIMIT


@pytest.mark.parametrize("window", [5, 4096])
def test_a_window_is_refused_whatever_its_size(window: int) -> None:
    """The packed forward pass ignores it, so a text longer than the window would have another score."""
    assert not packing_check.accepts(families.network("mistral", sliding_window=window))


def test_a_table_of_positions_may_be_shorter_than_a_packed_row() -> None:
    fields: dict[str, Any] = families.config("gpt2").to_dict()
    few = packing_check._with_few_positions(type(families.config("gpt2")), fields)
    assert few["n_positions"] == 16
    llama = families.config("llama").to_dict()
    assert packing_check._with_few_positions(type(families.config("llama")), llama) == llama


def test_attention_that_takes_no_mask_of_two_texts_is_refused() -> None:
    network = families.network("llama")
    network.model.config._attn_implementation = "flash_attention_2"
    assert not packing_check.accepts(network)


def test_the_check_is_made_once_per_configuration() -> None:
    packing_check._accepts.cache_clear()
    for name in ("llama", "llama", "gpt_neox"):
        packing_check.accepts(families.network(name))
    assert packing_check._accepts.cache_info().misses == 2
