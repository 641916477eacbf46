"""Recorded steps: a GPU replays all kernels of a forward pass by one call (CUDA graphs).

A step of decoding is hundreds of small kernels, and starting each from Python takes longer than the kernel itself. A
recorded step reads and writes the same addresses each time, so `models.static_cache` changes its tensors in place.
"""

import logging
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from models import side_by_side
from models.buckets import Bucket
from models.shared_base import switched_on

Step = Callable[[], Tensor]
"""A forward pass; returns logits. Running it twice changes nothing more than once."""

_logger = logging.getLogger(__name__)
_ATTENTION = ("sdpa", "eager")
_ALIBI = ("bloom", "falcon", "mpt")


class Runner(Protocol):
    """Runs steps, in a way of its own."""

    def __call__(self, bucket: Bucket, step: Step) -> Tensor:
        """The result of the step of this bucket, valid until the next call."""

    def forget(self) -> None:
        """Tensors that steps use have moved."""


class RecordedStep(NamedTuple):
    """A recorded step."""

    replay: Callable[[], object]
    output: Tensor
    """Where a replay writes the result."""
    pool: Any
    """The memory of intermediate results."""


Recorder = Callable[[Step, Any], RecordedStep]
"""Records a step, with the memory of another one, or None. The result is not yet computed."""


class Eager:
    """Runs each step anew."""

    def __call__(self, bucket: Bucket, step: Step) -> Tensor:
        """The result of the step."""
        return step()

    def forget(self) -> None:
        """Nothing is kept."""


class Graphed:
    """Records the step of a bucket when it comes first, and replays it from then on.

    The recorded steps share memory: they are replayed one after the other, and the result of each is used before the
    next.
    """

    def __init__(self, record: Recorder, device: torch.device) -> None:
        self._record, self._device = record, device
        self._recorded: dict[Bucket, RecordedStep] = {}
        self._fails = False

    @property
    def buckets(self) -> list[Bucket]:
        """The buckets whose steps are recorded, in the order in which they came."""
        return list(self._recorded)

    def __call__(self, bucket: Bucket, step: Step) -> Tensor:
        """The result of the step of this bucket, valid until the next call."""
        if bucket not in self._recorded and not self._fails:
            self._try(bucket, step)
        if bucket not in self._recorded:
            return step()
        recorded = self._recorded[bucket]
        recorded.replay()
        return recorded.output

    def forget(self) -> None:
        """Drop all recorded steps, with their memory."""
        self._recorded.clear()

    def _try(self, bucket: Bucket, step: Step) -> None:
        """A step that reads from the GPU cannot be recorded: then this model's steps are run anew each time."""
        pool = next((recorded.pool for recorded in self._recorded.values()), None)
        try:
            with _uncached_casts(self._device):
                self._recorded[bucket] = self._record(step, pool)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            self._fails = True
            _logger.warning("decoding without CUDA graphs, since a step cannot be recorded: %s", error)


def runner(model: PreTrainedModel) -> Runner:
    """What runs the steps of a model on a GPU."""
    return Eager() if why_not(model) else Graphed(record_on_gpu, model.device)


def why_not(model: PreTrainedModel) -> str | None:
    """Why steps of this model must not be recorded; None if they may be."""
    config = model.config.get_text_config(decoder=True)
    if side_by_side.changes(model):
        return "its rotary embeddings change their frequencies by the longest position, which is read on the host"
    if any(path.rsplit(".", 1)[-1] == "experts" for path, _ in model.named_modules()):
        return "the shapes of its experts' inputs depend on the tokens"
    if config.model_type in _ALIBI:
        return "its attention biases (ALiBi) are copied from the host in each step"
    if config._attn_implementation not in _ATTENTION:
        return f"the attention {config._attn_implementation} reads the mask on the host"
    if len({parameter.device for parameter in model.parameters()}) > 1:
        return "its weights are on several devices"
    return None


def state(model: nn.Module) -> Hashable:
    """What a recorded step depends on beside its tensors. Steps recorded in one state are wrong in another.

    Weights are read at their addresses, so steps stay valid while weights are updated in place, as optimisers and
    `load_state_dict` do. Which adapter is active, and the type of autocast, decide which kernels are recorded.
    """
    weights = [tensor.data_ptr() for tensors in (model.parameters(), model.buffers()) for tensor in tensors]
    kind = next(model.parameters()).device.type
    return tuple(weights), switched_on(model), torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)


def record_on_gpu(step: Step, pool: Any) -> RecordedStep:
    """Record a step as a CUDA graph. It runs twice before, on a stream of its own: libraries allocate in a first run.

    Raises:
        RuntimeError: the step waits for the GPU, or copies from the host.
    """
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch's
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(2):
            step()
    current = torch.cuda.current_stream()
    current.wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    # the outer context restores the current stream where recording fails, which `torch.cuda.graph` then does not
    with torch.cuda.stream(current), torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
        output = step()
    return RecordedStep(graph.replay, output, graph.pool())


@contextmanager
def _uncached_casts(device: torch.device) -> Iterator[None]:
    """Inside, autocast casts weights in each use: its cached copies are freed while a graph would still read them."""
    dtype, enabled = torch.get_autocast_dtype(device.type), torch.is_autocast_enabled(device.type)
    with torch.autocast(device.type, dtype=dtype, enabled=enabled, cache_enabled=False):
        yield
