"""The tokenizer of a model on disk, which all models of a workspace share.

Policy, reference, reward model and critic read the same token ids. With two tokenizers among them nothing would break
that shows: ids mean other words, and the KL grows without bound.
"""

from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from core.errors import BadModel

_WHENCE = ("is_local", "local_files_only")
"""What transformers notes of where a tokenizer was read from; saved along, it would change the digest of a model."""


def load(source: str | Path) -> PreTrainedTokenizerBase:
    """The tokenizer in a folder, or of a model of the hub. Never runs its code. Saved again, it is the same files.

    Raises:
        OSError, ValueError: there is none that can be read.
    """
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    for note in _WHENCE:
        tokenizer.init_kwargs.pop(note, None)
    return tokenizer


def of(model: Path) -> PreTrainedTokenizerBase | None:
    """The tokenizer of a saved model; None where the folder holds none, as before there is a champion."""
    return load(model) if (model / "tokenizer_config.json").exists() else None


def check(base: str, champion: Path) -> None:
    """Say early that a base model spells text otherwise than the champion.

    Raises:
        BadModel: the two do not share a tokenizer, or the base model has none that can be read.
    """
    try:
        ours, theirs = load(base), of(champion)
    except (OSError, ValueError) as error:
        raise BadModel(f"model.base={base}: its tokenizer cannot be read: {error}") from error
    if theirs and ours.get_vocab() != theirs.get_vocab():
        raise BadModel(
            f"model.base={base} has another tokenizer than the champion, and the models of a workspace have to share "
            "one; start another base model in a workspace of its own: "
            f"`rounds round --workspace DIR -S model.base={base}`"
        )
