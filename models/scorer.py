"""A transformer that gives every position of a text one number: the reward model and the critic."""

import copy
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from core.errors import BadModel
from models.advantage import last, masked
from models.policy import Policy, device
from models.tokens import Batch

HEAD = "head.safetensors"


class Scorer(nn.Module):
    """A trunk (any causal model without its output layer) and a linear head, always without dropout.

    The head's bias gets no gradient from comparisons, which only see differences; it is there for the critic, and for
    folding a normalisation into the weights.
    """

    def __init__(self, trunk: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        super().__init__()
        self.trunk, self.tokenizer = trunk, tokenizer
        self.head = nn.Linear(trunk.config.hidden_size, 1, device=trunk.device, dtype=torch.float32)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.eval()

    @classmethod
    def from_policy(cls, policy: Policy, generator: torch.Generator | None = None) -> "Scorer":
        """A copy of the policy's trunk with a new head.

        The head is drawn from N(0, 1/(d + 1)) where a generator is given (Stiennon et al. 2020: a reward model), else
        zero (Ziegler et al. 2019: a critic that expects nothing yet).
        """
        scorer = cls(copy.deepcopy(policy.model.base_model), policy.tokenizer)
        if generator is not None:
            width = scorer.head.in_features
            drawn = torch.randn(1, width, generator=generator, device=generator.device) / (width + 1) ** 0.5
            scorer.head.weight.data.copy_(drawn)
        return scorer

    def forward(self, ids: Tensor) -> Tensor:
        """The number at each position, which has seen the tokens up to and including its own: (B, T) float32.

        No attention mask: padding is on the right, out of a causal model's sight.
        """
        hidden = self.trunk(input_ids=ids, use_cache=False).last_hidden_state
        scores: Tensor = self.head(hidden.float()).squeeze(-1)
        return scores

    def scores(self, batch: Batch) -> Tensor:
        """The number at each position: (B, T) float32."""
        scores: Tensor = self(batch.ids.to(self.trunk.device))
        return scores

    def at_end(self, batch: Batch) -> Tensor:
        """The number at each row's last real token, which has seen the whole text: (B,) float32."""
        return self.scores(batch).gather(1, last(batch.mask.to(self.trunk.device))[:, None]).squeeze(1)

    def values(self, batch: Batch) -> Tensor:
        """What the critic expects *before* each token of the answer: (B, T) float32, 0 outside the answer."""
        scores = self.scores(batch)
        before = torch.cat([torch.zeros_like(scores[:, :1]), scores[:, :-1]], dim=1)
        return masked(before, batch.response.to(before.device))

    def copy(self) -> "Scorer":
        """Another scorer with the same weights."""
        return self.normalised(mean=0.0, std=1.0)

    def normalised(self, mean: float, std: float) -> "Scorer":
        """A copy that gives (score - mean) / std, by other weights of the head."""
        other = Scorer(copy.deepcopy(self.trunk), self.tokenizer)
        other.head.weight.data.copy_(self.head.weight.data / std)
        other.head.bias.data.copy_((self.head.bias.data - mean) / std)
        return other

    def save(self, folder: Path) -> None:
        """Write trunk, head and tokenizer, so that the folder stands alone. Safetensors only."""
        logging.disable_progress_bar()
        self.trunk.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        save_file({name: tensor.contiguous() for name, tensor in self.head.state_dict().items()}, folder / HEAD)

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
        trunk = AutoModel.from_pretrained(folder, use_safetensors=True, dtype="auto", **local)
        scorer = cls(trunk, AutoTokenizer.from_pretrained(folder, **local))
        scorer.head.load_state_dict(load_file(folder / HEAD))
        return scorer.to(device())
