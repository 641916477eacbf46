"""Adapters in memory: one frozen base for all roles, and one low-rank change of it a role, by the library peft.

peft has two silent traps here, which `SharedBase` closes:

- Switching to one adapter turns the gradients of the others off. Here each adapter keeps its own setting.
- With gradient checkpointing, a switch between a forward pass and its backward pass gives wrong gradients, because the
  recomputation runs with the other adapter. Such a switch is an error here.
"""

import warnings
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer, cast_adapter_dtype
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from core.errors import BadModel
from models import adapters, allocation, ranks, sharding
from models.adapters import AdapterFacts, AdapterSettings
from models.compute import IN_FLOAT32, Compute
from models.network import Network
from models.seeding import generator

BASE = "__base__"
"""The name with which peft computes a row without an adapter."""


class SharedBase:
    """A frozen base in memory, and the adapters of its roles."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        digest: str,
        compute: Compute = IN_FLOAT32,
    ) -> None:
        """No role yet.

        Args:
            model: the base; its weights are frozen here.
            tokenizer: its tokenizer.
            digest: identifies the base, for the files of its adapters.
            compute: how its networks compute.
        """
        self.model, self.tokenizer = model.eval().requires_grad_(False), tokenizer
        self.digest, self.compute = digest, compute
        allocation.prepare(model.device, compute.compact)
        if compute.sharding and ranks.current().count > 1:
            sharding.divide(model, compute.sharding, None)
        self._facts: dict[str, AdapterFacts] = {}
        self._tensors: dict[str, dict[str, nn.Parameter]] = {}
        self._trained: set[str] = set()
        self._active: str | None = None
        self._depth = 0
        self._layers: list[tuple[str, Any]] = []
        self._waiting: weakref.WeakSet[_Waiting] = weakref.WeakSet()

    def add(self, name: str, knobs: AdapterSettings, seed: int) -> "AdapterNetwork":
        """A new adapter that changes nothing yet: one of its two matrices is 0, the other random by `seed`.

        Raises:
            BadParams: a target is no linear layer of the base, or can have no adapter.
        """
        network = self._inject(name, knobs.rank, knobs.alpha, adapters.targets(self.model, knobs.targets))
        shuffle = generator(seed)
        for key, tensor in self.tensors(name).items():
            with torch.no_grad():
                if key.endswith("lora_A"):  # as peft: uniform, with variance 1 / (3 inputs)
                    bound = tensor.shape[1] ** -0.5
                    tensor.copy_(torch.rand(tensor.shape, generator=shuffle) * 2 * bound - bound)
                else:
                    tensor.zero_()
        return network

    def load(self, name: str, folder: Path) -> "AdapterNetwork":
        """The adapter that `AdapterNetwork.save` wrote to a folder.

        Raises:
            BadModel: it belongs to another base, or its files are damaged.
        """
        facts = adapters.read(folder)
        if facts.base != self.digest:
            raise BadModel(
                f"{folder} is an adapter of the base {facts.base[:12]}, not of {self.digest[:12]}; use models of one "
                "base together"
            )
        tensors = adapters.read_tensors(folder)
        network = self._inject(name, facts.rank, facts.alpha, facts.targets)
        try:
            network.load_state_dict(tensors)
        except (KeyError, RuntimeError) as error:
            self.remove(name)
            raise BadModel(
                f"{folder / adapters.TENSORS} is damaged or incomplete: {error}; copy the version again"
            ) from error
        return network

    def unused(self, name: str) -> str:
        """The name, or the name with a number if there is such an adapter already."""
        names = (name if number == 1 else f"{name}-{number}" for number in count(1))
        return next(free for free in names if free not in self._facts)

    def copy(self, source: str, name: str) -> "AdapterNetwork":
        """Another adapter with equal weights."""
        facts = self._facts[source]
        network = self._inject(name, facts.rank, facts.alpha, facts.targets)
        network.load_state_dict(self.tensors(source))
        return network

    def remove(self, name: str) -> None:
        """Free an adapter."""
        self._switch(None)
        for _, layer in self._layers:
            layer.set_adapter([])  # otherwise peft switches another one on, with a warning
            layer.delete_adapter(name)
        del self._facts[name], self._tensors[name]
        self._trained.discard(name)
        self._restore_gradients()

    def facts(self, name: str) -> AdapterFacts:
        """How an adapter was made."""
        return self._facts[name]

    def tensors(self, name: str) -> dict[str, nn.Parameter]:
        """The weights of an adapter, by sorted names without that of the adapter: `layers.0.q_proj.lora_A`."""
        return self._tensors[name]

    @contextmanager
    def active(self, name: str | None) -> Iterator[None]:
        """Inside, the model is the base with this adapter; None is the base itself, bit for bit.

        Raises:
            RuntimeError: another adapter's forward pass still waits for its backward pass.
        """
        before = self._active
        self._switch(name)
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if self._depth:  # outermost: the switch is kept, so that the backward pass runs with the same adapter
                self._switch(before)

    def watch(self, output: Tensor) -> Tensor:
        """The same tensor; until it was differentiated, or its graph is freed, other adapters are refused."""
        if not (output.requires_grad and torch.is_grad_enabled()):
            return output
        waiting = _Waiting()
        self._waiting.add(waiting)
        watched: Tensor = _Watch.apply(output, waiting)  # type: ignore[no-untyped-call]  # torch's
        return watched

    def train(self, name: str) -> None:
        """Let the weights of an adapter have gradients."""
        self._trained.add(name)
        self._restore_gradients()

    def _inject(self, name: str, rank: int, alpha: float, layers: tuple[str, ...]) -> "AdapterNetwork":
        if name in self._facts:
            raise ValueError(f"there is an adapter {name} already")
        config = LoraConfig(
            r=rank,
            lora_alpha=alpha,  # type: ignore[arg-type]  # declared as a whole number, used as any
            target_modules=list(layers),
            lora_dropout=0.0,
        )
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Already found a `peft_config`")  # several adapters are meant
            warnings.filterwarnings("ignore", "fan_in_fan_out")  # peft sets it for layers of the type Conv1D
            inject_adapter_in_model(config, self.model, name)
        cast_adapter_dtype(self.model, name)  # to float32; peft makes an adapter in the type of the base
        self._facts[name] = AdapterFacts(rank, alpha, layers, self.digest)
        self._layers = [
            (path, layer) for path, layer in self.model.named_modules() if isinstance(layer, BaseTunerLayer)
        ]
        tensors = {
            f"{path}.{part}": getattr(layer, part)[name].weight
            for path, layer in self._layers
            if name in layer.lora_A
            for part in ("lora_A", "lora_B")
        }
        self._tensors[name] = dict(sorted(tensors.items()))
        self._switch(None)
        return AdapterNetwork(self, name)

    def _switch(self, name: str | None) -> None:
        if name == self._active and name is not None:
            return
        if name != self._active and any(waiting.open for waiting in self._waiting):
            raise RuntimeError(
                f"the adapter {self._active} has a forward pass that waits for its backward pass, so {name} cannot be "
                "switched on"
            )
        for _, layer in self._layers:
            layer.enable_adapters(name is not None)
            if name is not None:
                layer.set_adapter([name])
        self._active = name
        self._restore_gradients()

    def _restore_gradients(self) -> None:
        for name, tensors in self._tensors.items():
            for tensor in tensors.values():
                tensor.requires_grad_(name in self._trained)


class AdapterNetwork(Network):
    """A role that is an adapter of a shared base."""

    def __init__(self, base: SharedBase, name: str) -> None:
        self.base, self.name, self.model, self.compute = base, name, base.model, base.compute

    def parameters(self) -> list[nn.Parameter]:
        """The weights of the adapter, in float32; from now on they have gradients."""
        self.base.train(self.name)
        return list(self.base.tensors(self.name).values())

    def copy(self, name: str, trunk: bool = False) -> "AdapterNetwork":
        """Another adapter with equal weights."""
        return self.base.copy(self.name, self.base.unused(name))

    def state_dict(self) -> Mapping[str, Tensor]:
        """The weights of the adapter by name; those in memory, not copies."""
        return dict(self.base.tensors(self.name))

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Replace the weights of the adapter, in place.

        Raises:
            KeyError, RuntimeError: a tensor is missing, or has another shape.
        """
        own = self.base.tensors(self.name)
        if extra := sorted(set(state) - set(own)):
            raise KeyError(f"tensors of no layer: {', '.join(extra[:3])}")
        with torch.no_grad():
            for key, tensor in own.items():
                tensor.copy_(state[key])

    def _write(self, folder: Path, tokenizer: PreTrainedTokenizerBase, weights: Mapping[str, Tensor]) -> None:
        """Write the adapter, the digest of its base, and the chat template."""
        tensors = {key: tensor.detach().cpu() for key, tensor in weights.items()}
        adapters.write(folder, self.base.facts(self.name), tensors, tokenizer.chat_template)

    def _read(self, folder: Path) -> "AdapterNetwork":
        """A further adapter of the base."""
        return self.base.load(self.base.unused("saved"), folder)

    def _tokenizer(self, folder: Path) -> PreTrainedTokenizerBase:
        return adapters.tokenizer(self.base.tokenizer, folder)

    def release(self) -> None:
        """Free the adapter."""
        self.base.remove(self.name)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Inside, the shared model has this adapter."""
        with self.base.active(self.name), super().running():
            yield

    def _states(self, **inputs: Tensor) -> Tensor:
        """The last hidden states of a forward pass, whose adapter stays switched on until its backward pass."""
        return self.base.watch(super()._states(**inputs))


@contextmanager
def each_row(model: PreTrainedModel, names: Sequence[str | None]) -> Iterator[None]:
    """Inside, each row of a batch is computed with its own adapter; in a forward pass without gradients only.

    Args:
        model: a model with adapters.
        names: of the adapter of each row: None is the active one, `BASE` the base alone. Empty, or only None, changes
            nothing.
    """
    layers: list[Any] = [layer for layer in model.modules() if isinstance(layer, BaseTunerLayer)] if any(names) else []
    active = BASE if not layers or layers[0].disable_adapters else layers[0].active_adapters[0]
    own = [name or active for name in names]

    def with_names(_: nn.Module, arguments: Any, keywords: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return arguments, {**keywords, "adapter_names": own}

    off = [layer for layer in layers if layer.disable_adapters]
    hooks = [layer.register_forward_pre_hook(with_names, with_kwargs=True) for layer in layers]
    for layer in off:
        layer._disable_adapters = False  # without names of its own, a switch would change which weights have gradients
    try:
        yield
    finally:
        for layer in off:
            layer._disable_adapters = True
        for hook in hooks:
            hook.remove()


def switched_on(model: nn.Module) -> tuple[tuple[str, ...], ...]:
    """The active adapters of each layer that has adapters; none where they are switched off."""
    layers: list[Any] = [layer for layer in model.modules() if isinstance(layer, BaseTunerLayer)]
    return tuple(() if layer.disable_adapters else tuple(layer.active_adapters) for layer in layers)


class _Waiting:
    """A forward pass that waits for its backward pass; it lives as long as the graph."""

    open = True


class _Watch(torch.autograd.Function):
    """The identity, which notes that its backward pass ran."""

    @staticmethod
    def forward(ctx: Any, output: Tensor, waiting: _Waiting) -> Tensor:
        ctx.waiting = waiting
        return output.view_as(output)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        ctx.waiting.open = False
        return gradients[0], None
