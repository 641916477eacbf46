"""A model that loses weights when it is saved is noticed."""

from pathlib import Path

import pytest
import torch
from transformers import PreTrainedTokenizerBase

from core.errors import BadModel
from models.network import WholeNetwork
from models.policy import Policy
from models.scorer import HEAD, Scorer
from tests.models.adapted import moved
from tests.models.test_adapters import shared


class Forgetful(WholeNetwork):
    """Saves its embeddings as zeros."""

    def save(self, folder: Path, tokenizer: PreTrainedTokenizerBase) -> None:
        kept = self.model.get_input_embeddings().weight.clone()
        with torch.no_grad():
            self.model.get_input_embeddings().weight.zero_()
        super().save(folder, tokenizer)
        with torch.no_grad():
            self.model.get_input_embeddings().weight.copy_(kept)


class Headless(Scorer):
    """Saves no head."""

    def _check_saved(self, folder: Path) -> None:
        Scorer.from_policy(Policy(self.network, self.tokenizer), 0.0, 0.0).save(folder / "lost")
        (folder / "lost" / HEAD).rename(folder / HEAD)
        super()._check_saved(folder)


def test_a_policy_that_loses_weights_is_not_kept(tiny: Policy, tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="weights were lost"):
        Policy(Forgetful(tiny.model), tiny.tokenizer).save(tmp_path / "policy")
    assert not (tmp_path / "policy").exists()


def test_a_reward_model_that_loses_its_head_is_noticed(tiny: Policy, tmp_path: Path) -> None:
    scorer = Headless(tiny.network, tiny.tokenizer, likelihood=0.0, surprise=0.0)
    torch.nn.init.ones_(scorer.head.weight)
    with pytest.raises(BadModel, match="weights were lost"):
        scorer.save(tmp_path)


def test_an_adapter_with_its_head_is_kept(tiny: Policy, tmp_path: Path) -> None:
    network = moved(shared(tiny), "reward", 1)
    scorer = Scorer(network, tiny.tokenizer, likelihood=0.5, surprise=1.0)
    torch.nn.init.ones_(scorer.head.weight)
    scorer.save(tmp_path)
    assert network.base.unused("saved") == "saved"
