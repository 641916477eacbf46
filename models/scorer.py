"""The network of the reward model: a causal language model with a scalar head beside the output layer."""

import copy
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from core.errors import BadModel
from models import ranks
from models.advantage import last_position
from models.critic import Critic
from models.network import Network
from models.packing import pack
from models.policy import Policy
from models.tokens import Batch

HEAD = "head.safetensors"


class Scorer:
    """score(x, y) = w·h + b + β Σₜ (log p(yₜ | x, y₍<t₎) + H). Dropout is always off.

    h is the hidden state at the last token of the answer y to the prompt x, and p is the network's own language model.
    w·h + b is the head score; the term with β is the likelihood term (the prior).

    β = 0 gives the usual scalar head. With β > 0, the score starts from the likelihood under the SFT model, and the
    head learns a correction from preferences. This is DPO's implicit reward (Rafailov et al. 2023, section 4) plus a
    head, with the constant H in place of the reference model. H is the mean surprisal (negative log-probability) of an
    answer token, so that long answers are not penalised for their length. Fewer pairs are needed (docs/decisions/0007).
    """

    def __init__(
        self, network: Network, tokenizer: PreTrainedTokenizerBase, likelihood: float, surprise: float
    ) -> None:
        """A head of zeros: before training, the score is the likelihood term alone.

        Args:
            network: the transformer, which is trained.
            tokenizer: its tokenizer.
            likelihood: β.
            surprise: H, the mean surprisal per token in nats.
        """
        self.network, self.tokenizer = network, tokenizer
        self.head = nn.Linear(network.width, 1, device=network.device, dtype=torch.float32)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        # rounded to float32, as they are saved
        self.likelihood, self.surprise = (torch.tensor(value).item() for value in (likelihood, surprise))

    @classmethod
    def from_policy(cls, policy: Policy, likelihood: float, surprise: float, name: str = "reward") -> "Scorer":
        """A copy of the policy with a head of zeros, in the role `name`."""
        return cls(policy.network.copy(name), policy.tokenizer, likelihood, surprise)

    def parameters(self) -> list[nn.Parameter]:
        """The weights that are trained, those of the head last."""
        return [*self.network.parameters(), *self.head.parameters()]

    def __call__(self, batch: Batch, counts: Sequence[int] = ()) -> Tensor:
        """The score of each text: (B,) float32; `counts` as in `parts`."""
        head_score, prior = self.parts(batch, counts)
        return head_score + prior

    def parts(self, batch: Batch, counts: Sequence[int] = ()) -> tuple[Tensor, Tensor]:
        """The head score and the likelihood term of each text, which sum to its score: (B,) float32 each.

        Args:
            batch: the texts.
            counts: number of texts of each prompt, next to each other, to compute each prompt once (`models.packing`);
                empty to compute each text by itself.
        """
        packed = pack(batch, counts).to(self.network.device) if counts else None
        batch = batch.to(self.network.device)
        hidden = self.network.hidden_packed(packed) if packed else self.network.hidden(batch.ids)  # (B, T, H)
        head_score: Tensor = self.head(_at_last_token(hidden, batch.mask).float()).squeeze(-1)
        if not self.likelihood:
            return head_score, torch.zeros_like(head_score)
        logprobs = self.network.logprobs_of(hidden, batch).sum(dim=1)  # (B,)
        return head_score, self.likelihood * (logprobs + self.surprise * batch.response.sum(dim=1))

    def final_hidden_states(self, batch: Batch) -> Tensor:
        """The input of the head: the hidden state at the last token of each text, (B, H)."""
        batch = batch.to(self.network.device)
        return _at_last_token(self.network.hidden(batch.ids), batch.mask)

    def critic(self, std: float) -> Critic:
        """A critic initialised with copies of the network and the head; its initial values are head scores / `std`."""
        head = copy.deepcopy(self.head)
        head.weight.data /= std
        head.bias.data /= std
        return Critic(self.network.copy("critic", trunk=True), head)

    def save(self, folder: Path) -> None:
        """Write network, head and tokenizer to a folder, with weights in safetensors. The first rank writes.

        `RewardModel.save` checks that it gives the same scores when it is loaded again.

        Raises:
            BadModel: part of the tokenizer was lost.
        """
        ranks.once(lambda: folder.mkdir(parents=True, exist_ok=True))
        self.network.save(folder, self.tokenizer)
        prior = {"likelihood": torch.tensor(self.likelihood), "surprise": torch.tensor(self.surprise)}
        ranks.once(lambda: save_file({**self.head.state_dict(), **prior}, folder / HEAD))

    @classmethod
    def load(cls, policy: Policy, folder: Path) -> "Scorer":
        """The scorer of a folder written by `save`, around the network that was loaded from it.

        Raises:
            BadModel: the folder does not hold a scorer.
        """
        if not (folder / HEAD).exists():
            raise BadModel(f"{folder} has no {HEAD}, so it is not a reward model; run the step `reward` to train one")
        head = load_file(folder / HEAD)
        prior = {name: head.pop(name).item() for name in ("likelihood", "surprise")}
        scorer = cls(policy.network, policy.tokenizer, **prior)
        scorer.head.load_state_dict(head)
        return scorer


def _at_last_token(hidden: Tensor, mask: Tensor) -> Tensor:
    """The hidden state (B, T, H) at the last token of each row that is not padding: (B, H)."""
    return hidden[torch.arange(len(hidden), device=hidden.device), last_position(mask)]
