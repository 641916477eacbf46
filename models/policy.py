"""The policy: a causal language model with its tokenizer."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from core.errors import BadModel, BadParams
from core.settings import BaseSettings
from models import adapters, base_files, families, ranks, rendering, saved, scratch, sharding
from models import tokenizer as tokenizers
from models.adapters import AdapterSettings
from models.compute import IN_FLOAT32, Compute, Dtype, Sharding, chosen, device
from models.meta_model import meta_model
from models.network import Network, WholeNetwork
from models.tokens import Batch

SCRATCH = "scratch"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")


class ModelSettings(BaseSettings):
    """Base model and token limits. The fields from `vocabulary` on apply only to `base: scratch`."""

    base: str = SCRATCH
    """`scratch` (a new model), a folder saved with `save_pretrained`, or a model id on the Hugging Face Hub."""
    dtype: Dtype = "float32"
    """Type of number to compute in. `auto` is the faster one on the machine that opens the round, and stays that on
    every other machine. Whatever is trained is float32."""
    adapter: AdapterSettings | None = None
    """Train low-rank adapters of one frozen base; null trains all weights. Needs a pretrained base."""
    microbatch_tokens: int = Field(2048, ge=1)
    """Tokens in one forward pass, padding included: lowers memory, and changes no result but by rounding."""
    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass instead of keeping them: less memory, a third more time."""
    compact_memory: bool = False
    """Give large tensors pages of their own on a CPU (Linux with glibc), which the system gets back when they are
    freed: down to half the memory, for more time in training."""
    max_prompt_tokens: int = Field(128, ge=8)
    """Longer prompts are truncated on the left."""
    max_answer_tokens: int = Field(48, ge=1)
    """Longer answers are truncated on the right, and then have no EOS."""
    vocabulary: int = Field(1024, ge=261)
    """Maximum vocabulary size; at least the 256 bytes and 5 control tokens."""
    width: int = Field(96, ge=2)
    """Hidden size; must be a multiple of 2 × `heads`."""
    layers: int = Field(2, ge=1)
    """Number of transformer blocks."""
    heads: int = Field(4, ge=1)
    """Attention heads per block."""
    feed_forward: int = Field(256, ge=1)
    """Inner size of the feed-forward layers."""
    threads: int = Field(1, ge=1)
    """CPU threads that torch uses. A different number gives different weights: sums are added in a different order,
    and answers are sampled in other parts."""
    deterministic: bool = False
    """On a GPU, use only kernels that give the same result each time, where torch has them; slower. A CPU always
    does."""

    @property
    def compute(self) -> Compute:
        """How networks compute."""
        return Compute(chosen(self.dtype), self.microbatch_tokens, self.gradient_checkpointing, self.compact_memory)


@dataclass
class Policy:
    """A causal language model and its tokenizer."""

    network: Network
    tokenizer: PreTrainedTokenizerBase

    @classmethod
    def load(cls, source: str | Path, compute: Compute = IN_FLOAT32) -> "Policy":
        """Load a whole model from a folder or from the Hugging Face Hub, to the GPU if there is one.

        Raises:
            BadModel: see `load_model`.
        """
        model, tokenizer = load_model(source, torch.float32, compute.sharding)
        return cls(WholeNetwork(model, compute), tokenizer)

    def save(self, folder: Path) -> None:
        """Write the weights (safetensors), and what belongs to them, to a folder, atomically. All ranks call it.

        Raises:
            BadModel: loaded again, it computes something else; nothing is kept then.
        """

        def work(draft: Path) -> None:
            ranks.once(lambda: draft.mkdir(parents=True))
            self.network.save(draft, self.tokenizer)
            self._check_saved(draft)

        ranks.write(folder, work, together=self.network.divided)

    @torch.no_grad()
    def _check_saved(self, folder: Path) -> None:
        again, batch = self.network.reload(folder), saved.probe(self.network)
        saved.check(self.network.logprobs(batch), again.logprobs(batch), str(folder))
        again.release()

    def logprobs(self, batch: Batch, temperature: float = 1.0) -> Tensor:
        """Log-probabilities of the answer tokens, (B, T) float32, in nats; see `Network.logprobs`."""
        return self.network.logprobs(batch, temperature)

    def copy(self, name: str) -> "Policy":
        """An independent copy for another role, with equal weights."""
        return Policy(self.network.copy(name), self.tokenizer)

    @property
    def model(self) -> PreTrainedModel:
        """The model in memory, which other roles may share: see `Network.running`."""
        return self.network.model

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return self.network.device

    @property
    def end_ids(self) -> list[int]:
        """Token ids that end an answer; see `end_ids_of`."""
        return end_ids_of(self.model, self.tokenizer)


def end_ids_of(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Token ids that end an answer: the tokenizer's EOS, and those of the model's generation config."""
    configured = model.generation_config.eos_token_id
    ids = configured if isinstance(configured, list) else [configured]
    valid = {end for end in ids if end is not None and end < len(tokenizer)}
    return sorted(valid | {tokenizer.eos_token_id})


def load_model(
    source: str | Path, dtype: torch.dtype, how: Sharding | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A model in evaluation mode, on the GPU if there is one, and its tokenizer; no remote code, no pickles.

    If it will be divided (`how`), it stays on the CPU, and ranks but the first load only its shapes.

    Raises:
        BadModel: the folder is missing, the weights are incomplete or not in safetensors, or the tokenizer is missing,
            has no EOS token, or has more tokens than the model has embeddings.
    """
    logging.disable_progress_bar()
    _check_folder(source)
    if sharding.is_shell(how):
        return sharding.shell(source, dtype), tokenizers.load(source)
    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            source, dtype=dtype, use_safetensors=True, trust_remote_code=False, output_loading_info=True
        )
        tokenizer = tokenizers.load(source)
    except (OSError, ValueError, RuntimeError) as error:
        raise BadModel(
            f"{source} cannot be loaded as a causal language model; save it again with model.save_pretrained, or "
            f"use another one: {error}"
        ) from error
    if report["missing_keys"]:
        missing = ", ".join(sorted(report["missing_keys"])[:3])
        raise BadModel(f"{source} lacks weights ({missing}, …), which would stay random; save the complete model")
    _check_tokenizer(source, model.get_input_embeddings().num_embeddings, tokenizer)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model.eval().to("cpu" if how and ranks.current().count > 1 else device()), tokenizer


def build(
    base: ModelSettings,
    texts: Iterable[str],
    seed: int = 0,
    tokenizer: PreTrainedTokenizerBase | None = None,
    how: Sharding | None = None,
) -> Policy:
    """Load or create the base model. A new model has random weights from `seed`.

    Args:
        base: settings of the model.
        texts: what a new tokenizer is trained on.
        seed: seed of the initial weights of a new model.
        tokenizer: used for a new model instead of training a tokenizer; ignored if the base model is loaded.
        how: how its weights are divided among ranks.

    Raises:
        BadModel: see `Policy.load`.
        BadParams: `width` is not a multiple of 2 × `heads`, or the token limits exceed the model's maximum positions.
    """
    compute = base.compute._replace(sharding=how)
    if base.base != SCRATCH:
        policy = Policy.load(base.base, compute)
        _check_positions(policy.model.config, base)
        return policy
    _check_width(base)
    tokenizer = tokenizer or scratch.train_tokenizer(texts, base.vocabulary)
    model = scratch.new_model(
        tokenizer,
        width=base.width,
        layers=base.layers,
        heads=base.heads,
        feed_forward=base.feed_forward,
        positions=base.max_prompt_tokens + base.max_answer_tokens,
        seed=seed,
    )
    return Policy(WholeNetwork(model.to(device()), compute), tokenizer)


def check_base(base: ModelSettings, champion: Path) -> None:
    """Check early that the base model can be used: its files, tokenizer, chat template, and shapes.

    Raises:
        BadModel: the folder lacks configuration, safetensors or tokenizer, or they are damaged (`base_files`); the
            tokenizer is not the champion's, has no EOS token, or has more tokens than the model has embeddings; the
            chat template fails (`rendering`); the configuration does not describe the weights; or decoding is wrong for
            models of this type (`families`).
        BadParams: `width` is not a multiple of 2 × `heads`, the token limits exceed the model's maximum positions, a
            target of the adapter is no layer of the model, or see `check_adapter`.
    """
    check_adapter(base)
    if base.base == SCRATCH:
        _check_width(base)
        return
    _check_folder(base.base)
    tensors = base_files.check(Path(base.base)) if Path(base.base).is_dir() else {}
    tokenizer = tokenizers.check(base.base, champion)
    try:
        config = AutoConfig.from_pretrained(base.base, trust_remote_code=False)
    except Exception as error:  # the library checks no types: config.json may raise anything
        raise BadModel(
            f"model.base={base.base}: its config.json cannot be read; save it again with model.save_pretrained, or "
            f"name another model: {error}"
        ) from error
    _check_tokenizer(base.base, config.get_text_config().vocab_size, tokenizer)
    _check_positions(config, base)
    _check_shapes(config, tensors, base.base)
    if base.adapter:
        adapters.targets_of(config, base.adapter)
    families.check(config, base.base, lambda model, batch: WholeNetwork(model).logprobs(batch))
    rendering.check(tokenizer, base.base)


def check_adapter(base: ModelSettings) -> None:
    """Check that adapters have a base whose weights are worth keeping.

    Raises:
        BadParams: the base is a new model, with random weights.
    """
    if base.adapter and base.base == SCRATCH:
        raise BadParams(
            "model.adapter needs a pretrained base, and model.base is scratch, a new model with random weights; set "
            "model.base to a fetched model, or model.adapter=null to train all weights"
        )


def _check_folder(source: str | Path) -> None:
    folder = Path(source)
    if not folder.is_dir():
        if folder.is_absolute() or str(source).startswith("."):
            raise BadModel(
                f"{source} is not a folder; name a folder with a model, or a model id on the Hugging Face Hub"
            )
        return
    if not (folder / "config.json").exists():
        raise BadModel(f"{folder} has no config.json; save the model there with model.save_pretrained")
    if not any(folder.glob("*.safetensors")):
        raise BadModel(
            f"{folder} has no weights in safetensors (pickles are never loaded); save them with model.save_pretrained"
        )
    if not any((folder / name).exists() for name in TOKENIZER_FILES):
        raise BadModel(f"{folder} has no tokenizer; save it there with tokenizer.save_pretrained")


def _check_width(base: ModelSettings) -> None:
    if base.width % (2 * base.heads):
        raise BadParams(
            f"model.width={base.width} is not a multiple of 2 × model.heads; set it to a multiple of {2 * base.heads}"
        )


def _check_tokenizer(source: str | Path, rows: int, tokenizer: PreTrainedTokenizerBase) -> None:
    """Check that answers can end, and that each token has one of the model's `rows` of embeddings."""
    if tokenizer.eos_token_id is None:
        raise BadModel(
            f"the tokenizer of {source} has no EOS token, so no answer could end; set eos_token and save it again"
        )
    if len(tokenizer) > rows:
        raise BadModel(
            f"the tokenizer of {source} has {len(tokenizer)} tokens, but the model has only {rows} embeddings; "
            "save the model with its own tokenizer, or call model.resize_token_embeddings"
        )


def _check_shapes(config: Any, tensors: Mapping[str, base_files.Tensor], source: str) -> None:
    """Check that the weights have the shapes that the configuration states, embeddings of positions included."""
    if not tensors:
        return
    text = config.get_text_config()
    layers = getattr(text, "num_hidden_layers", 0)
    if type(layers) is not int or not 0 <= layers <= len(tensors):
        raise BadModel(
            f"{source}: config.json states {str(layers)[:40]} layers, but there are {len(tensors)} tensors; save the "
            "model again with model.save_pretrained"
        )
    try:
        model = meta_model(config)
    except Exception as error:  # as above
        raise BadModel(
            f"{source}: no model can be made from its config.json ({str(error)[:200]}); save it again with "
            "model.save_pretrained, or name another model"
        ) from error
    for name, weight in model.state_dict().items():
        if name in tensors and tuple(weight.shape) != tensors[name].shape:
            raise BadModel(
                f"{source}: the tensor {name} has the shape {list(tensors[name].shape)}, but config.json states "
                f"{list(weight.shape)}; save the model again with model.save_pretrained"
            )


def _check_positions(config: Any, base: ModelSettings) -> None:
    positions = getattr(config.get_text_config(), "max_position_embeddings", None)
    if positions is not None and (type(positions) is not int or positions < 1):
        raise BadModel(
            f"model.base={base.base}: max_position_embeddings in config.json is {str(positions)[:40]!r}, expected a "
            "whole number from 1; correct it"
        )
    required = base.max_prompt_tokens + base.max_answer_tokens
    if positions is not None and required > positions:
        raise BadParams(
            f"model.max_prompt_tokens + model.max_answer_tokens = {required}, but {base.base} has {positions} positions"
            f"; set them so that their sum is at most {positions}"
        )
