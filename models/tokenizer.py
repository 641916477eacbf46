"""Load the tokenizer of a saved model. All models of a workspace must share one tokenizer.

Policy, reference, reward model and critic read the same token ids. Different tokenizers would raise no error: the same
ids would stand for different text, and the KL would grow without bound.
"""

from pathlib import Path

from huggingface_hub.constants import HF_HUB_CACHE
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from core.errors import BadModel
from core.files import unwritable

_SOURCE_KEYS = ("is_local", "local_files_only")
"""Keys in which transformers records where a tokenizer was loaded from; saved with a model, they change its digest."""


def load(source: str | Path) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a folder or of a model on the Hugging Face Hub, without remote code.

    Saving it again gives byte-identical files.

    Raises:
        OSError, ValueError: there is no tokenizer, or it cannot be read.
    """
    return without_origin(AutoTokenizer.from_pretrained(source, trust_remote_code=False))


def without_origin(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """The same tokenizer; it no longer records how it was loaded, so that equal tokenizers are saved as equal bytes."""
    for key in _SOURCE_KEYS:
        tokenizer.init_kwargs.pop(key, None)
    return tokenizer


def of(model: Path) -> PreTrainedTokenizerBase | None:
    """The tokenizer of a saved model; None if the folder has none, for example before there is a champion."""
    return load(model) if (model / "tokenizer_config.json").exists() else None


def check(base: str, champion: Path) -> PreTrainedTokenizerBase:
    """The base model's tokenizer, which must be the champion's, if there is a champion.

    Raises:
        BadModel: the two vocabularies differ, or a tokenizer cannot be read.
    """
    try:
        base_tokenizer, champion_tokenizer = load(base), of(champion)
    except Exception as error:  # the libraries check no types: tokenizer.json may raise anything
        raise BadModel(f"model.base={base}: its tokenizer cannot be read; {_cure(base)}: {error}") from error
    if champion_tokenizer and base_tokenizer.get_vocab() != champion_tokenizer.get_vocab():
        raise BadModel(
            f"model.base={base} has another tokenizer than the champion, and all models of a workspace must share one; "
            "use a separate workspace for another base model: "
            f"`rounds round --workspace DIR -S model.base={base}`"
        )
    return base_tokenizer


def _cure(base: str) -> str:
    """What to do if the tokenizer of a base model cannot be read."""
    if Path(base).is_dir():
        return "copy tokenizer.json and tokenizer_config.json from the original model into the folder"
    if problem := unwritable(Path(HF_HUB_CACHE)):
        return f"set HF_HOME to a folder that can be written ({problem})"
    return "check the name and the connection to the Hugging Face Hub, or name a folder that holds the model"
