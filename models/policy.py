"""The policy: a causal language model with its tokenizer, and the log-probabilities of its answers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from core.errors import BadFeedback, BadModel, BadParams
from core.files import replacing
from core.knobs import BaseSettings
from models import scratch
from models import tokenizer as tokenizers
from models.tokens import Batch, Turn, encode_prompts

SCRATCH = "scratch"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")

Dtype = Literal["float32", "bfloat16", "auto"]


class ModelSettings(BaseSettings):
    """The base model and how much text it reads and writes. The shape serves `base: scratch` alone."""

    base: str = SCRATCH
    """`scratch`, a folder in the format of transformers, or a model id of the Hugging Face hub."""
    dtype: Dtype = "float32"
    """Type of the weights; `auto` keeps that of the files. bfloat16 loses the updates of a small learning rate."""
    max_prompt_tokens: int = Field(128, ge=8)
    """Longer prompts lose their beginning."""
    max_answer_tokens: int = Field(48, ge=1)
    """Longer answers lose their end, EOS included."""
    vocabulary: int = Field(1024, ge=261)
    """Tokens to ask for; at least the 256 bytes and 5 control tokens."""
    width: int = Field(96, ge=2)
    """Size of the hidden state; an even multiple of `heads`."""
    layers: int = Field(2, ge=1)
    """Transformer blocks."""
    heads: int = Field(4, ge=1)
    """Attention heads of a block."""
    feed_forward: int = Field(256, ge=1)
    """Inner size of a block's feed-forward part."""


@dataclass
class Policy:
    """A causal language model and its tokenizer.

    The model stays in evaluation mode, in training too: dropout would make the log-probabilities of a rollout and of a
    later forward disagree.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase

    @classmethod
    def load(cls, source: str | Path, dtype: Dtype = "float32") -> "Policy":
        """Read a folder or a model of the hub, onto the GPU where there is one. Never runs its code, never unpickles.

        Raises:
            BadModel: not there, weights not in safetensors, weights missing, no tokenizer, or one that has no EOS.
        """
        logging.disable_progress_bar()
        _check_folder(source)
        try:
            model, report = AutoModelForCausalLM.from_pretrained(
                source, dtype=dtype, use_safetensors=True, trust_remote_code=False, output_loading_info=True
            )
            tokenizer = tokenizers.load(source)
        except (OSError, ValueError, RuntimeError) as error:
            raise BadModel(f"{source} cannot be loaded as a causal language model: {error}") from error
        if report["missing_keys"]:
            missing = ", ".join(sorted(report["missing_keys"])[:3])
            raise BadModel(f"{source} lacks weights ({missing}, …), which would be random; save the whole model")
        _check_tokenizer(source, model, tokenizer)
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        return cls(model.eval().to(device()), tokenizer)

    def save(self, folder: Path) -> None:
        """Write model (safetensors) and tokenizer to a folder, whole or not at all."""
        logging.disable_progress_bar()
        with replacing(folder) as draft:
            self.model.save_pretrained(draft)
            self.tokenizer.save_pretrained(draft)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        where: torch.device = self.model.device
        return where

    @property
    def ends(self) -> list[int]:
        """Token ids that end an answer: the tokenizer's EOS, and others that the model was made with."""
        made_with = self.model.generation_config.eos_token_id
        others = made_with if isinstance(made_with, list) else [made_with]
        known = {end for end in others if end is not None and end < len(self.tokenizer)}
        return sorted(known | {self.tokenizer.eos_token_id})


def build(
    base: ModelSettings, texts: Iterable[str], seed: int = 0, tokenizer: PreTrainedTokenizerBase | None = None
) -> Policy:
    """The base model; from scratch, its weights are drawn from `seed`, for `tokenizer` or one fitted to `texts`.

    Raises:
        BadModel: see `Policy.load`.
        BadParams: a shape that no transformer has, or prompts and answers longer than the model's positions.
    """
    if base.base != SCRATCH:
        policy = Policy.load(base.base, base.dtype)
        _check_positions(policy.model.config, base)
        return policy
    if base.width % (2 * base.heads):
        step = 2 * base.heads
        raise BadParams(
            f"model.width={base.width} is no even multiple of model.heads={base.heads}; set it to a multiple of {step}"
        )
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
    return Policy(model.eval().to(device()), tokenizer)


def check_base(base: ModelSettings, champion: Path) -> None:
    """Say early that a base model cannot be used, without reading its weights.

    Raises:
        BadModel: a folder without configuration, safetensors or tokenizer, or another tokenizer than the champion's.
        BadParams: prompts and answers are longer than the model's positions.
    """
    if base.base != SCRATCH:
        _check_folder(base.base)
        tokenizers.check(base.base, champion)
        try:
            config = AutoConfig.from_pretrained(base.base, trust_remote_code=False)
        except (OSError, ValueError) as error:
            raise BadModel(f"model.base={base.base}: its config.json cannot be read: {error}") from error
        _check_positions(config, base)


def check_turns(base: ModelSettings, prompts: Mapping[str, Sequence[Turn]]) -> None:
    """Say early that the base model's chat template refuses a prompt.

    Args:
        base: a model on disk or of the hub; a tokenizer without a template takes every order of turns.
        prompts: where a record is from → its prompt.

    Raises:
        BadFeedback: names the record, the roles of its turns, and the template's reason.
    """
    tokenizer = tokenizers.load(base.base)
    for where, prompt in prompts.items():
        try:
            encode_prompts(tokenizer, [prompt], base.max_prompt_tokens)
        except BadFeedback as error:
            raise BadFeedback(
                f"{where}: {error}; take such records out, or choose a base model whose template takes them "
                f"(model.base={base.base})"
            ) from error


def device() -> torch.device:
    """The GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def response_logprobs(model: PreTrainedModel, batch: Batch, temperature: float = 1.0) -> Tensor:
    """Log-probabilities of the answers' tokens: (B, T) float32 on the model's device.

    Position t holds log p(ids[t] | ids[<t]) with the logits divided by `temperature`; 0 outside `batch.response`.
    """
    ids, _, response = batch.to(model.device)
    predicts = response.roll(-1, dims=1)  # a prompt is never empty, so nothing wraps around
    # no attention mask: padding is on the right, out of a causal model's sight; the head runs where it is needed
    logits = model(input_ids=ids, use_cache=False, logits_to_keep=predicts).logits  # (answer tokens, V)
    return token_logprobs(logits, ids, response, temperature)


def token_logprobs(logits: Tensor, ids: Tensor, response: Tensor, temperature: float = 1.0) -> Tensor:
    """Log-probabilities (B, T) of the answers' tokens, from the logits (answer tokens, V) that predict them."""
    scaled = logits.float() if temperature == 1.0 else logits.float() / temperature
    found = -F.cross_entropy(scaled, ids[response], reduction="none")
    return torch.zeros(ids.shape, device=ids.device).masked_scatter(response, found)


def _check_folder(source: str | Path) -> None:
    folder = Path(source)
    if not folder.is_dir():
        if folder.is_absolute() or str(source).startswith("."):
            raise BadModel(f"{source} is no folder; name one that holds a model, or a model of the hub")
        return
    if not (folder / "config.json").exists():
        raise BadModel(f"{folder} has no config.json; write the model there with save_pretrained")
    if not any(folder.glob("*.safetensors")):
        raise BadModel(f"{folder} has no weights in safetensors (pickles are never read); use save_pretrained")
    if not any((folder / name).exists() for name in TOKENIZER_FILES):
        raise BadModel(f"{folder} has no tokenizer; write it there with tokenizer.save_pretrained")


def _check_tokenizer(source: str | Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    if tokenizer.eos_token_id is None:
        raise BadModel(f"the tokenizer of {source} has no EOS token, so no answer could end; set its eos_token")
    rows = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > rows:
        raise BadModel(
            f"the tokenizer of {source} has {len(tokenizer)} tokens, its model embeds {rows}: not a pair; save both "
            "from one model, or resize the embeddings"
        )


def _check_positions(config: Any, base: ModelSettings) -> None:
    positions = getattr(config, "max_position_embeddings", None)
    asked = base.max_prompt_tokens + base.max_answer_tokens
    if positions is not None and asked > positions:
        raise BadParams(
            f"model.max_prompt_tokens + model.max_answer_tokens = {asked}, but {base.base} has {positions} positions; "
            f"set them so that their sum is at most {positions}"
        )
