"""The network of the reward model: a causal language model with a linear head beside its output layer."""

import copy
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from core.errors import BadModel
from models import tokenizer as tokenizers
from models.advantage import last_position
from models.critic import Critic
from models.policy import Policy, device, token_logprobs
from models.tokens import Batch

HEAD = "head.safetensors"


class Scorer(nn.Module):
    """score(x, y) = w·h + b + β Σₜ (log p(yₜ | x, y₍<t₎) + H), always without dropout.

    h is the hidden state at the last token of the answer y to the prompt x; p is the network's own language model. With
    β = 0 it is the usual scalar head. Above 0 the score starts from what the language model learned of good answers
    from demonstrations, and the head learns what preferences add to it: DPO's implicit reward (Rafailov et al. 2023,
    section 4), with a head beside it and H in place of the reference. H is what a token of an answer surprises by on
    average, so that a long answer is no worse for being long. Few pairs then go a long way (docs/decisions/0007).
    """

    likelihood: Tensor
    """β, a scalar."""
    surprise: Tensor
    """H, a scalar in nats."""

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, likelihood: float, surprise: float
    ) -> None:
        super().__init__()
        self.model, self.tokenizer = model, tokenizer
        self.head = nn.Linear(model.config.hidden_size, 1, device=model.device, dtype=torch.float32)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.register_buffer("likelihood", torch.tensor(likelihood, device=model.device))
        self.register_buffer("surprise", torch.tensor(surprise, device=model.device))
        self.eval()

    @classmethod
    def from_policy(cls, policy: Policy, likelihood: float, surprise: float) -> "Scorer":
        """A copy of the policy with a head of zeros: before it learns, the language model speaks alone."""
        return cls(copy.deepcopy(policy.model), policy.tokenizer, likelihood, surprise)

    def forward(self, batch: Batch) -> Tensor:
        """The score of each text: (B,) float32."""
        word, prior = self.parts(batch)
        return word + prior

    def parts(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """What the head says, and what the language model does: (B,) float32 each.

        No attention mask: padding is on the right, out of a causal model's sight.
        """
        ids, mask, response = batch.to(self.model.device)
        if not self.likelihood:
            word = self._word(self.model.base_model(input_ids=ids, use_cache=False).last_hidden_state, mask)
            return word, torch.zeros_like(word)
        predicts = response.roll(-1, dims=1)
        read = self.model(input_ids=ids, use_cache=False, logits_to_keep=predicts, output_hidden_states=True)
        logprobs = token_logprobs(read.logits, ids, response).sum(dim=1)
        prior = self.likelihood * (logprobs + self.surprise * response.sum(dim=1))
        return self._word(read.hidden_states[-1], mask), prior

    def ends(self, batch: Batch) -> Tensor:
        """The hidden state that the head reads of each text: (B, H)."""
        ids, mask, _ = batch.to(self.model.device)
        return _ends(self.model.base_model(input_ids=ids, use_cache=False).last_hidden_state, mask)

    def critic(self, std: float) -> Critic:
        """A critic that starts with a copy of the network, and expects what the head says, in units of `std`."""
        head = copy.deepcopy(self.head)
        head.weight.data /= std
        head.bias.data /= std
        return Critic(copy.deepcopy(self.model.base_model), head)

    def save(self, folder: Path) -> None:
        """Write language model, head and tokenizer, so that the folder stands alone. Safetensors only."""
        logging.disable_progress_bar()
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        prior = {"likelihood": self.likelihood, "surprise": self.surprise}
        save_file({**self.head.state_dict(), **prior}, folder / HEAD)

    @classmethod
    def load(cls, folder: Path) -> "Scorer":
        """Read what `save` wrote; pickle and remote code are never read.

        Raises:
            BadModel: the folder holds no scorer.
        """
        if not (folder / HEAD).exists():
            raise BadModel(f"{folder} holds no {HEAD}: it is no scorer; run the step `reward` to train one")
        logging.disable_progress_bar()
        local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        model = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True, dtype="auto", **local)
        head = load_file(folder / HEAD)
        prior = {name: head.pop(name).item() for name in ("likelihood", "surprise")}
        scorer = cls(model, tokenizers.load(folder), **prior)
        scorer.head.load_state_dict(head)
        return scorer.to(device())

    def _word(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """What the head says at each row's last real token, which has seen the whole text: (B,) float32."""
        word: Tensor = self.head(_ends(hidden, mask).float()).squeeze(-1)
        return word


def _ends(hidden: Tensor, mask: Tensor) -> Tensor:
    """The hidden state at each row's last real token: (B, H)."""
    return hidden[torch.arange(len(hidden), device=hidden.device), last_position(mask)]
