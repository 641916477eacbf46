"""Base models on the Hugging Face Hub: downloaded as files, at one commit."""

from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download
from transformers.utils import logging

from core.errors import BadModel


def download(model: str, revision: str | None, patterns: Sequence[str], into: Path) -> str:
    """Download the files of a model to a folder; returns the commit.

    Args:
        model: model id, `OWNER/NAME`.
        revision: branch, tag or commit; None for the default branch.
        patterns: the names of the files that are wanted.
        into: the folder.

    Raises:
        BadModel: there is no such model or revision, or the hub cannot be reached.
    """
    logging.disable_progress_bar()
    try:
        commit = str(HfApi().model_info(model, revision=revision).sha)
        snapshot_download(model, revision=commit, local_dir=into, allow_patterns=list(patterns))
    except Exception as error:  # errors of HTTP, of the hub, and of the disk have no class in common
        raise BadModel(
            f"{model}{f' at {revision}' if revision else ''} cannot be downloaded from the Hugging Face Hub "
            f"({str(error).strip()[:300]}); check the model id, the revision and the connection, or name a folder"
        ) from error
    return commit
