"""The network of the reward model: a causal language model with a scalar head beside the language-model head."""

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
    """score(x, y) = w·h + b + β Σₜ (log p(yₜ | x, y₍<t₎) + H). Dropout is always off.

    h is the hidden state at the last token of the answer y to the prompt x, and p is the network's own language model.
    w·h + b is the head score; the term with β is the likelihood term (the prior).

    β = 0 gives the usual scalar head. With β > 0, the score starts from the likelihood under the SFT model, and the
    head learns a correction from preferences. This is DPO's implicit reward (Rafailov et al. 2023, section 4) plus a
    head, with the constant H in place of the reference model. H is the mean surprisal (negative log-probability) of an
    answer token, so that long answers are not penalised for their length. Fewer pairs are needed (docs/decisions/0007).
    """

    likelihood: Tensor
    """β, a scalar."""
    surprise: Tensor
    """H, the mean surprisal per token: a scalar in nats."""

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
        """A copy of the policy with a head of zeros: before training, the score is the likelihood term alone."""
        return cls(copy.deepcopy(policy.model), policy.tokenizer, likelihood, surprise)

    def forward(self, batch: Batch) -> Tensor:
        """The score of each text: (B,) float32."""
        head_score, prior = self.parts(batch)
        return head_score + prior

    def parts(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The head score and the likelihood term of each text, which sum to its score: (B,) float32 each.

        No attention mask is needed: with right padding, no real token attends to padding under a causal mask.
        """
        ids, mask, response = batch.to(self.model.device)
        if not self.likelihood:
            hidden = self.model.base_model(input_ids=ids, use_cache=False).last_hidden_state  # (B, T, H)
            head_score = self._head_score(hidden, mask)
            return head_score, torch.zeros_like(head_score)
        predicts = response.roll(-1, dims=1)  # positions that predict an answer token
        output = self.model(input_ids=ids, use_cache=False, logits_to_keep=predicts, output_hidden_states=True)
        logprobs = token_logprobs(output.logits, ids, response).sum(dim=1)  # (B,)
        prior = self.likelihood * (logprobs + self.surprise * response.sum(dim=1))
        return self._head_score(output.hidden_states[-1], mask), prior

    def final_hidden_states(self, batch: Batch) -> Tensor:
        """The input of the head: the hidden state at the last token of each text, (B, H)."""
        ids, mask, _ = batch.to(self.model.device)
        return _at_last_token(self.model.base_model(input_ids=ids, use_cache=False).last_hidden_state, mask)

    def critic(self, std: float) -> Critic:
        """A critic initialised with copies of the network and the head; its initial values are head scores / `std`."""
        head = copy.deepcopy(self.head)
        head.weight.data /= std
        head.bias.data /= std
        return Critic(copy.deepcopy(self.model.base_model), head)

    def save(self, folder: Path) -> None:
        """Write language model, head and tokenizer to a self-contained folder, with weights in safetensors."""
        logging.disable_progress_bar()
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        prior = {"likelihood": self.likelihood, "surprise": self.surprise}
        save_file({**self.head.state_dict(), **prior}, folder / HEAD)

    @classmethod
    def load(cls, folder: Path) -> "Scorer":
        """Load a folder written by `save`; no pickles, no remote code.

        Raises:
            BadModel: the folder does not hold a scorer.
        """
        if not (folder / HEAD).exists():
            raise BadModel(f"{folder} has no {HEAD}, so it is not a reward model; run the step `reward` to train one")
        logging.disable_progress_bar()
        local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        model = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True, dtype="auto", **local)
        head = load_file(folder / HEAD)
        prior = {name: head.pop(name).item() for name in ("likelihood", "surprise")}
        scorer = cls(model, tokenizers.load(folder), **prior)
        scorer.head.load_state_dict(head)
        return scorer.to(device())

    def _head_score(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """Head score at the last token of each row: (B,) float32."""
        scores: Tensor = self.head(_at_last_token(hidden, mask).float()).squeeze(-1)
        return scores


def _at_last_token(hidden: Tensor, mask: Tensor) -> Tensor:
    """The hidden state (B, T, H) at the last token of each row that is not padding: (B, H)."""
    return hidden[torch.arange(len(hidden), device=hidden.device), last_position(mask)]
