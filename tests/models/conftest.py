from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from models.policy import ModelSettings, Policy, build
from models.scratch import train_tokenizer

TEXTS = ["where is my parcel", "it is on its way", "thank you", "can I return the lamp", "yes you can"] * 3


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    """Bytes, the five control tokens and a few words, with the chat template of models/scratch.py."""
    return train_tokenizer(TEXTS, 300)


@pytest.fixture
def plain(tokenizer: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    """The same tokens without a chat template, padding with EOS."""
    tokenizer.chat_template = None
    tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


@pytest.fixture
def tiny() -> Policy:
    """A Llama of 16 dimensions with random weights."""
    return build(ModelSettings(width=16, layers=2, heads=2, feed_forward=32, vocabulary=300), TEXTS)


@pytest.fixture
def saved(tiny: Policy, tmp_path: Path) -> Path:
    """The folder of a saved policy."""
    tiny.save(tmp_path / "policy")
    return tmp_path / "policy"
