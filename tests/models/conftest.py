from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from models.policy import ModelSettings, Policy, build
from models.scratch import train_tokenizer
from models.shared_base import SharedBase
from tests.models.adapted import moved

TEXTS = ["where is my parcel", "it is on its way", "thank you", "can I return the lamp", "yes you can"] * 3


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer of 300 tokens, with the control tokens and chat template of models/scratch.py."""
    return train_tokenizer(TEXTS, 300)


@pytest.fixture
def plain(tokenizer: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    """The same vocabulary without a chat template, and with EOS as the pad token."""
    tokenizer.chat_template = None
    tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


@pytest.fixture
def tiny() -> Policy:
    """A Llama of hidden size 16 with random weights."""
    return build(ModelSettings(width=16, layers=2, heads=2, feed_forward=32, vocabulary=300), TEXTS)


@pytest.fixture
def saved(tiny: Policy, tmp_path: Path) -> Path:
    """The folder of a saved policy."""
    tiny.save(tmp_path / "policy")
    return tmp_path / "policy"


@pytest.fixture
def shared_base(llama: PreTrainedModel, tiny: Policy) -> SharedBase:
    """Two adapters that change what is sampled, on the `llama` of the file."""
    base = SharedBase(llama, tiny.tokenizer, "0" * 16)
    for seed, name in enumerate(("first", "second")):
        moved(base, name, seed)
    return base


@pytest.fixture
def adapted(shared_base: SharedBase) -> Iterator[PreTrainedModel]:
    with shared_base.active("first"):
        yield shared_base.model
