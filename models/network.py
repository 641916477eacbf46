"""The transformer of one role (policy, reference, reward, critic, judge): a model of its own, or an adapter of a base.

Everything that is learned or scored reads a transformer through this interface, so that it need not know which of the
two it is. The model is always in evaluation mode, during training too: with dropout, the log-probabilities of a rollout
and of a later forward pass would differ.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.utils import logging

from core.errors import BadModel
from models import allocation, logits, packing, ranks, saved, sharding
from models import tokenizer as tokenizers
from models.compute import IN_FLOAT32, Compute, computing, device, torch_type
from models.logits import OutputLayer, token_logprobs
from models.packing import Packed
from models.tokens import Batch


class Network(ABC):
    """A causal transformer in one role."""

    model: PreTrainedModel
    """The model in memory. Roles that are adapters share it, so it is called inside `running` only."""
    compute: Compute

    @property
    def device(self) -> torch.device:
        """Where the network computes."""
        if self.divided:
            return device()  # not where the weights are, with `Sharding.offload`
        result: torch.device = self.model.device
        return result

    @property
    def divided(self) -> bool:
        """Whether each rank has only a part of the weights. Whatever computes is then called by all ranks at once."""
        return sharding.is_divided(self.model)

    def whole(self) -> AbstractContextManager[None]:
        """Inside, this rank has all weights, so that it can compute without the others; without gradients only."""
        return sharding.whole(self.model)

    @property
    def width(self) -> int:
        """H, the number of elements of a hidden state."""
        size: int = self.model.config.get_text_config().hidden_size
        return size

    @abstractmethod
    def parameters(self) -> list[nn.Parameter]:
        """The weights that are trained."""

    @abstractmethod
    def copy(self, name: str, trunk: bool = False) -> "Network":
        """An independent copy for another role, with equal weights.

        Args:
            name: the role.
            trunk: without the output layer, for a role that reads hidden states only.
        """

    @abstractmethod
    def state_dict(self) -> Mapping[str, Tensor]:
        """The weights that are trained, by name; those in memory, not copies."""

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Replace the weights that are trained, in place."""

    def save(self, folder: Path, tokenizer: PreTrainedTokenizerBase) -> None:
        """Write all that `reload` needs into an existing folder, as safetensors and JSON. The first rank writes.

        Raises:
            BadModel: part of the tokenizer was lost.
        """

        def write() -> None:
            self._write(folder, tokenizer, weights)
            saved.check_tokenizer(tokenizer, self._tokenizer(folder), str(folder))

        weights = self._collected()
        ranks.once(write)
        ranks.wait()

    def reload(self, folder: Path) -> "Network":
        """What `save` wrote, as a further network in addition to this one.

        Raises:
            BadModel: it cannot be loaded, or answers differently.
        """
        again = self._read(folder)
        saved.check_answers(self, again, str(folder))
        return again

    def _collected(self) -> Mapping[str, Tensor]:
        """The weights that are written, whole on the first rank."""
        return self.state_dict()

    @abstractmethod
    def _write(self, folder: Path, tokenizer: PreTrainedTokenizerBase, weights: Mapping[str, Tensor]) -> None:
        """As `save`, unchecked."""

    @abstractmethod
    def _read(self, folder: Path) -> "Network":
        """As `reload`; raises BadModel if it cannot be loaded."""

    @abstractmethod
    def _tokenizer(self, folder: Path) -> PreTrainedTokenizerBase:
        """The tokenizer that `save` wrote."""

    @abstractmethod
    def release(self) -> None:
        """Free the weights of this role; it must not be used any more."""

    @contextmanager
    def running(self) -> Iterator[None]:
        """Inside, `model` has the weights of this role and computes as `compute` says."""
        recompute = self.compute.recompute and torch.is_grad_enabled()
        with computing(self.device, self.compute.dtype), recomputing(self.model, recompute):
            yield

    def hidden(self, ids: Tensor) -> Tensor:
        """The last hidden states of right-padded token ids (B, T): (B, T, H).

        No attention mask is needed: with right padding, no real token attends to padding under a causal mask.
        """
        return self._states(input_ids=ids)

    def hidden_packed(self, packed: Packed) -> Tensor:
        """The last hidden states of B packed texts on the model's device: (B, T, H), arbitrary at padding.

        Only for models that `models.packing_check` accepts.
        """
        mask = packing.additive(packing.visible(packed.parts), torch_type(self.compute.dtype))
        states = self._states(input_ids=packed.ids, position_ids=packed.positions, attention_mask=mask)
        return packed.unpacked(states)

    def _states(self, **inputs: Tensor) -> Tensor:
        """The last hidden states of a forward pass, (B, T, H)."""
        names, tensors = list(inputs), list(inputs.values())

        def states(*tensors: Tensor) -> Tensor:
            keywords = dict(zip(names, tensors, strict=True))
            result: Tensor = self.model.base_model(**keywords, use_cache=False).last_hidden_state
            return result

        with self.running():
            return sharding.inside(self.model, states, *tensors)

    def logprobs(self, batch: Batch, temperature: float = 1.0) -> Tensor:
        """Log-probabilities of the answer tokens in nats: (B, T) float32 on the model's device.

        Position t holds log p(ids[t] | ids[<t]), with logits divided by `temperature`; 0 outside `batch.response`.
        """
        batch = batch.to(self.device)
        return self.logprobs_of(self.hidden(batch.ids), batch, temperature)

    def logprobs_of(self, hidden: Tensor, batch: Batch, temperature: float = 1.0) -> Tensor:
        """As `logprobs`, from the hidden states (B, T, H) of the batch, which is on the model's device."""
        predicts = batch.response.roll(-1, dims=1)  # prompts are never empty, so nothing wraps around
        tokens = batch.ids[batch.response]
        layer, width = self._output_layer, self.vocabulary
        with self.running():
            values = sharding.inside(
                self.model, lambda states: token_logprobs(states, tokens, layer, width, temperature), hidden[predicts]
            )
        return torch.zeros(batch.ids.shape, device=self.device).masked_scatter(batch.response, values)

    @cached_property
    def _output_layer(self) -> OutputLayer:
        with self.running():
            return logits.output_layer(self.model)

    @property
    def vocabulary(self) -> int:
        """V, the number of logits."""
        size: int = self.model.config.get_text_config().vocab_size
        return size


class WholeNetwork(Network):
    """A model of its own, all of whose weights are trained: in float32, whatever it computes in."""

    def __init__(self, model: PreTrainedModel, compute: Compute = IN_FLOAT32) -> None:
        self.model, self.compute = model.eval(), compute
        allocation.prepare(self.device, compute.compact)
        if compute.sharding and ranks.current().count > 1 and not self.divided:
            sharding.divide(model, compute.sharding, self._collected_in)

    @property
    def _collected_in(self) -> torch.dtype | None:
        """The type in which divided weights are collected; None is their own."""
        return torch.bfloat16 if self.compute.dtype == "bfloat16" else None

    def parameters(self) -> list[nn.Parameter]:
        """The weights that are trained."""
        return list(self.model.parameters())

    def copy(self, name: str, trunk: bool = False) -> "WholeNetwork":
        """An independent copy for another role, with equal weights; see `Network.copy`."""
        if self.divided and self.compute.sharding:
            copied = sharding.copy_of(self.model, self.compute.sharding, self._collected_in, trunk)
            return WholeNetwork(copied, self.compute)
        output = self.model.get_output_embeddings()
        without = {id(output): nn.Identity()} if trunk and output is not None else {}
        return WholeNetwork(copy.deepcopy(self.model, without), self.compute)

    def state_dict(self) -> Mapping[str, Tensor]:
        """The weights by name; those in memory, not copies."""
        state: Mapping[str, Tensor] = self.model.state_dict(keep_vars=True)  # tied weights are one tensor
        return state

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Replace the weights, in place."""
        self.model.load_state_dict(state)

    def _collected(self) -> Mapping[str, Tensor]:
        whole: Mapping[str, Tensor] = sharding.collected(self.model) if self.divided else self.model.state_dict()
        return whole

    def _write(self, folder: Path, tokenizer: PreTrainedTokenizerBase, weights: Mapping[str, Tensor]) -> None:
        """Write model and tokenizer as transformers does."""
        logging.disable_progress_bar()
        self.model.save_pretrained(folder, state_dict=dict(weights))
        tokenizer.save_pretrained(folder)

    def _read(self, folder: Path) -> "WholeNetwork":
        if sharding.is_shell(self.compute.sharding):
            return WholeNetwork(sharding.shell(folder, self.model.dtype), self.compute)
        loaded, report = AutoModelForCausalLM.from_pretrained(
            folder, dtype=self.model.dtype, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
        if report["missing_keys"]:
            raise BadModel(f"{folder} was saved without {sorted(report['missing_keys'])[0]}; use another base model")
        return WholeNetwork(loaded.to(self.device), self.compute)

    def _tokenizer(self, folder: Path) -> PreTrainedTokenizerBase:
        return tokenizers.load(folder)

    def release(self) -> None:
        """Free the weights."""
        del self.model


@contextmanager
def recomputing(model: PreTrainedModel, wanted: bool) -> Iterator[None]:
    """Gradient checkpointing of all layers inside, if wanted; dropout stays off.

    transformers recomputes a layer only if the layer is in training mode. Of the layer itself nothing else depends on
    it; its parts, which have the dropout, stay in evaluation mode.
    """
    layers = [layer for layer in model.modules() if isinstance(layer, GradientCheckpointingLayer)] if wanted else []
    if layers and not layers[0].gradient_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
    for layer in layers:
        layer.training = True
    try:
        yield
    finally:
        for layer in layers:
            layer.training = False
