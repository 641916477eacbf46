"""Hands versions that are adapters over to a vLLM server: a folder in the format of peft, and a name.

Name and folder have the digest of the version's files in them: vLLM keeps the keys and values of prompts by both, and
goes on using those of a former adapter if a new one has the same.
"""

import shutil
from pathlib import Path
from tempfile import mkdtemp

from core.errors import BadModel
from models import adapters, peft_files
from models.upstream_settings import LOADED, UpstreamSettings


def folder_of(settings: UpstreamSettings, name: str) -> Path:
    """Where an adapter of this name is written."""
    return Path(settings.adapters or "") / name.replace("/", "-")


def hand_over(settings: UpstreamSettings, name: str, saved: Path, base: Path | None) -> None:
    """Let the server load a saved version.

    Args:
        settings: the server, and the folder that it reads.
        name: of the version there.
        saved: the version's files.
        base: folder of its base; None if it is no adapter.

    Raises:
        BadModel: it is no adapter, or its files are damaged.
        NoUpstream: the server cannot load it.
    """
    if base is None:
        raise BadModel(
            f"upstream.adapters: {name} is a whole model, and only adapters can be handed over; start the other server "
            "with it, and name it in upstream.models in serving.yaml"
        )
    folder = folder_of(settings, name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(mkdtemp(prefix=".draft-", dir=folder.parent))
    try:
        peft_files.write(saved, base, adapters.read(saved).base, draft)
        shutil.rmtree(folder, ignore_errors=True)
        draft.replace(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    with settings.server(LOADED) as server:
        server.add_adapter(name, folder)


def take_back(settings: UpstreamSettings, name: str) -> None:
    """Let the server forget a version that was handed over.

    Raises:
        NoUpstream: the server does not do so.
    """
    with settings.server(LOADED) as server:
        server.remove_adapter(name)
    shutil.rmtree(folder_of(settings, name), ignore_errors=True)
