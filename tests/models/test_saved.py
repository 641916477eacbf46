"""A model that loses a part of itself when it is saved is noticed."""

import copy
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import PreTrainedTokenizerBase

from core.errors import BadModel
from core.files import read_json, write_json
from models import adapters, saved
from models.network import WholeNetwork
from models.policy import Policy
from models.reward import NORMALISATION, RewardModel
from models.scorer import HEAD, Scorer
from models.shared_base import AdapterNetwork
from tests.models.adapted import moved
from tests.models.test_adapters import shared

Loss = Callable[[Path], None]


class Lossy(WholeNetwork):
    """Something happens to the files that it saves."""

    loss: Loss

    def _write(self, folder: Path, tokenizer: PreTrainedTokenizerBase, weights: Mapping[str, torch.Tensor]) -> None:
        super()._write(folder, tokenizer, weights)
        self.loss(folder)


class LossyAdapter(AdapterNetwork):
    """The same for an adapter."""

    loss: Loss

    def _write(self, folder: Path, tokenizer: PreTrainedTokenizerBase, weights: Mapping[str, torch.Tensor]) -> None:
        super()._write(folder, tokenizer, weights)
        self.loss(folder)


def whole(tiny: Policy, loss: Loss) -> Policy:
    network = Lossy(tiny.model)
    network.loss = loss
    return Policy(network, tiny.tokenizer)


def adapter(tiny: Policy, loss: Loss) -> Policy:
    network = LossyAdapter(shared(tiny), "policy")
    moved(network.base, "policy", 1)
    network.loss = loss
    return Policy(network, tiny.tokenizer)


def rewritten(name: str, change: Callable[[dict[str, torch.Tensor]], object]) -> Loss:
    """Tensors of a file are changed."""

    def lose(folder: Path) -> None:
        tensors = load_file(folder / name)
        change(tensors)
        save_file(tensors, folder / name, {"format": "pt"})

    return lose


def zeroed(name: str, tensor: str) -> Loss:
    return rewritten(name, lambda tensors: tensors[tensor].zero_())


def dropped(name: str, tensor: str) -> Loss:
    return rewritten(name, lambda tensors: tensors.pop(tensor))


def configured(name: str, **fields: object) -> Loss:
    """Fields of a JSON file are changed."""

    def lose(folder: Path) -> None:
        write_json(folder / name, {**read_json(folder / name), **fields})

    return lose


WEIGHTS = "model.safetensors"
UP = "model.layers.1.mlp.up_proj"


@pytest.mark.parametrize(
    ("lossy", "loss", "message"),
    [
        (whole, zeroed(WEIGHTS, "model.embed_tokens.weight"), "weights were lost"),
        (whole, dropped(WEIGHTS, f"{UP}.weight"), "saved without model.layers.1.mlp.up_proj.weight"),
        (whole, configured("generation_config.json", eos_token_id=7), "end at the token 7, those in memory at 1"),
        (whole, lambda folder: (folder / "chat_template.jinja").unlink(), "another chat template"),
        (adapter, zeroed(adapters.TENSORS, f"{UP}.lora_B"), "weights were lost"),
        (adapter, dropped(adapters.TENSORS, f"{UP}.lora_A"), "damaged or incomplete"),
        (adapter, configured(adapters.FILE, alpha=1.0), "weights were lost"),
        (adapter, lambda folder: (folder / adapters.TEMPLATE).unlink(), "another chat template"),
    ],
)
def test_a_policy_that_loses_something_is_not_kept(
    lossy: Callable[[Policy, Loss], Policy], loss: Loss, message: str, tiny: Policy, tmp_path: Path
) -> None:
    with pytest.raises(BadModel, match=message):
        lossy(tiny, loss).save(tmp_path / "policy")
    assert not (tmp_path / "policy").exists()
    lossy(tiny, lambda folder: None).save(tmp_path / "policy")


def test_an_output_layer_that_is_tied_in_the_saved_model_alone_is_noticed(tiny: Policy, tmp_path: Path) -> None:
    """The output layer has weights of its own, which are not saved, because the configuration says that it has none."""
    assert tiny.model.config.tie_word_embeddings
    tiny.model.lm_head.weight = nn.Parameter(-tiny.model.lm_head.weight.detach())
    with pytest.raises(BadModel, match="weights were lost"):
        whole(tiny, dropped(WEIGHTS, "lm_head.weight")).save(tmp_path / "policy")


def test_an_output_layer_that_is_tied_in_memory_alone_is_noticed(tiny: Policy, tmp_path: Path) -> None:
    with pytest.raises(BadModel, match=r"saved without lm_head\.weight"):
        whole(tiny, configured("config.json", tie_word_embeddings=False)).save(tmp_path / "policy")


def test_a_copy_that_samples_other_answers_is_noticed(tiny: Policy) -> None:
    other = WholeNetwork(copy.deepcopy(tiny.model))
    saved.check_answers(tiny.network, other, "here")
    with torch.no_grad():
        other.model.lm_head.weight[saved.first_tokens(other.model)[0][1]] *= -1  # the sampled token, not the greedy one
    with pytest.raises(BadModel, match="here: the saved model samples other answers"):
        saved.check_answers(tiny.network, other, "here")


def test_the_first_tokens_of_a_greedy_answer_are_the_most_likely_ones(tiny: Policy) -> None:
    prompt = [5, 22, 39, 56, 73, 90, 107]  # 17 more each
    greedy, sampled = zip(*saved.first_tokens(tiny.model), strict=True)
    assert len(greedy) == len(saved.UNIFORMS)
    for ix, token in enumerate(greedy):
        logits = tiny.model(input_ids=torch.tensor([[*prompt, *greedy[:ix]]])).logits[0, -1]
        assert token == logits.argmax().item()
    assert greedy != sampled


def reward_model(tiny: Policy, network: WholeNetwork | AdapterNetwork | None = None) -> RewardModel:
    scorer = Scorer(network or tiny.network, tiny.tokenizer, likelihood=0.0, surprise=0.0)
    nn.init.ones_(scorer.head.weight)
    return RewardModel(scorer, prompt_limit=8, answer_limit=8, mean=0.5, std=2.0, temperature=1.5)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (zeroed(HEAD, "weight"), "weights were lost"),
        (configured(NORMALISATION, mean=0.0), "does not compute"),
        (configured(NORMALISATION, temperature=1.0), r"reward.json: temperature is 1.0, and 1.5 in memory"),
    ],
)
def test_a_reward_model_that_loses_something_is_noticed(
    loss: Loss, message: str, tiny: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, check = reward_model(tiny), RewardModel._check_saved

    def lost(self: RewardModel, folder: Path) -> None:
        loss(folder)
        check(self, folder)

    monkeypatch.setattr(RewardModel, "_check_saved", lost)
    with pytest.raises(BadModel, match=message):
        model.save(tmp_path)


def test_a_reward_model_that_is_an_adapter_is_kept(tiny: Policy, tmp_path: Path) -> None:
    network = moved(shared(tiny), "reward", 1)
    reward_model(tiny, network).save(tmp_path)
    assert network.base.unused("saved") == "saved"
