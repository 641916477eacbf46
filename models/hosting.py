"""Policies in memory that answer requests: adapters of one base share it and its batch, others have a loop each."""

import copy
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerBase

from models import adapters
from models.compute import Compute, Computed, torch_type
from models.concurrent import Capacity, ConcurrentDecoder, DecodingJob, Receive
from models.decoding import DecodingRequest
from models.detokenising import AnswerText
from models.loading import BaseFolder
from models.policy import Policy, end_ids_of, load_model
from models.shared_base import SharedBase
from models.tokens import EncodedPrompt, Turn, encode_prompts

COLDEST = 0.01
"""Below this temperature, the most likely tokens are taken: logits divided by less could overflow."""


@dataclass(eq=False)
class HostedPolicy:
    """A policy that answers requests."""

    decoder: ConcurrentDecoder
    tokenizer: PreTrainedTokenizerBase
    """Encodes, with a lock: encoding control tokens as text changes its state for a moment."""
    adapter: str | None = None
    """Name of its adapter; None for a whole model."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._decoding = copy.deepcopy(self.tokenizer)

    @property
    def problem(self) -> str | None:
        """Why the model cannot be asked now; None if it can."""
        return self.decoder.problem

    @property
    def ended(self) -> bool:
        """Whether the model failed so often that only another process can help."""
        return self.decoder.ended

    def submit(self, requests: Sequence[tuple[DecodingRequest, Receive]], every: float = 0.0) -> list[DecodingJob]:
        """Queue requests; see `ConcurrentDecoder.submit`."""
        return self.decoder.submit(requests, every)

    def withdraw(self, jobs: Sequence[DecodingJob]) -> None:
        """Stop requests."""
        self.decoder.withdraw(jobs)

    def encoded(self, prompt: Sequence[Turn], limit: int) -> EncodedPrompt:
        """A conversation as token ids, rendered as in training.

        Raises:
            BadFeedback, BadParams, BadModel: see `encode_prompts`.
        """
        with self._lock:
            return encode_prompts(self.tokenizer, [prompt], limit)[0]

    def requests(
        self, prompt: Sequence[int], count: int, limit: int, temperature: float, seed: int
    ) -> list[DecodingRequest]:
        """So many answers to one prompt; random numbers are a function of the seed, and the first of it alone."""
        numbers = torch.rand(count, limit, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        if temperature < COLDEST:
            return [DecodingRequest(prompt, limit, None, adapter=self.adapter)] * count
        return [DecodingRequest(prompt, limit, row, temperature, self.adapter) for row in numbers]

    def text(self, stop: Sequence[str] = ()) -> AnswerText:
        """The text of an answer, while its tokens arrive."""
        return AnswerText(self._decoding, stop)


@dataclass(eq=False)
class _HostedBase:
    base: SharedBase
    decoder: ConcurrentDecoder
    adapters: int = 0


class ModelHost:
    """The policies that are in memory. Methods may be called from any thread."""

    def __init__(self, base_folder: BaseFolder, capacity: Capacity) -> None:
        """Nothing is loaded yet.

        Args:
            base_folder: where bases are.
            capacity: how many rows each base, and each whole model, decodes at once.
        """
        self._base_folder, self._capacity = base_folder, capacity
        self._bases: dict[tuple[str, Computed], _HostedBase] = {}
        self._hosted: dict[HostedPolicy, _HostedBase | None] = {}
        self._lock = threading.Lock()

    @property
    def decoders(self) -> list[ConcurrentDecoder]:
        """Those that run."""
        return list({hosted.decoder: None for hosted in list(self._hosted)})

    def load(self, folder: Path, compute: Compute) -> HostedPolicy:
        """Load a saved policy, while others answer. The folder is not needed afterwards.

        Raises:
            BadModel: the folder holds no model, or its base is not there.
        """
        with self._lock:
            if not adapters.is_adapter(folder):
                return self._add(self._whole(folder, compute), None)
            home = self._base(adapters.read(folder).base, compute)
            try:
                return self._add(self._adapter(home, folder), home)
            finally:
                self._drop_unused()

    def unload(self, hosted: HostedPolicy) -> None:
        """Free a policy, to which no request may be under way; with the last adapter of a base, its base too."""
        with self._lock:
            home = self._hosted.pop(hosted)
            if home is None:
                hosted.decoder.close()
                return
            home.adapters -= 1
            if not home.decoder.ended:  # else the base goes with its last adapter
                home.decoder.call(lambda: home.base.remove(str(hosted.adapter))).result()
            self._drop_unused()

    def close(self) -> None:
        """Free all policies; requests that are under way end with an error."""
        for decoder in self.decoders:
            decoder.close()
        self._hosted, self._bases = {}, {}

    def _add(self, hosted: HostedPolicy, home: _HostedBase | None) -> HostedPolicy:
        if home:
            home.adapters += 1
        self._hosted[hosted] = home
        return hosted

    def _whole(self, folder: Path, compute: Compute) -> HostedPolicy:
        policy = Policy.load(folder, compute)
        return HostedPolicy(self._decoder(policy, compute), policy.tokenizer)

    def _adapter(self, home: _HostedBase, folder: Path) -> HostedPolicy:
        name = home.base.unused(folder.name)
        home.decoder.call(lambda: home.base.load(name, folder)).result()
        return HostedPolicy(home.decoder, adapters.tokenizer(home.base.tokenizer, folder), name)

    def _base(self, digest: str, compute: Compute) -> _HostedBase:
        key = digest, compute.dtype
        if key not in self._bases:
            model, tokenizer = load_model(self._base_folder(digest), torch_type(compute.dtype))
            base = SharedBase(model, tokenizer, digest, compute)
            end_ids = end_ids_of(model, tokenizer)
            decoder = ConcurrentDecoder(model, end_ids, tokenizer.pad_token_id, compute.dtype, self._capacity)
            self._bases[key] = _HostedBase(base, decoder)
        return self._bases[key]

    def _decoder(self, policy: Policy, compute: Compute) -> ConcurrentDecoder:
        pad_id = policy.tokenizer.pad_token_id
        return ConcurrentDecoder(policy.model, policy.end_ids, pad_id, compute.dtype, self._capacity)

    def _drop_unused(self) -> None:
        for key in [key for key, home in self._bases.items() if not home.adapters]:
            self._bases.pop(key).decoder.close()
