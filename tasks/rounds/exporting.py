"""Exporting: the files of a registered version, in formats that other programs read."""

import shutil
from pathlib import Path
from typing import NamedTuple

from core.errors import BadParams
from core.files import replacing
from models import adapters, merging, peft_files
from models.compute import Computed
from tasks.registry.alias import Registry
from tasks.registry.versions import ModelVersion
from tasks.rounds import version_files
from tasks.state.bases import BaseRecord
from tasks.state.line import ModelName
from tasks.state.workspace import Workspace


class ExportedVersion(NamedTuple):
    """What was written."""

    version: ModelVersion
    base: str | None
    """The base that the files need, as `model.base` may name it; None for a whole model."""


def export(
    workspace: Workspace,
    version: str,
    into: Path,
    merge: bool = False,
    model: ModelName = "policy",
    dtype: Computed = "float32",
) -> ExportedVersion:
    """Write a version to a new folder: an adapter in peft's format, a whole model in that of transformers.

    Args:
        workspace: the workspace.
        version: number of the version, or `champion`.
        into: a folder that does not exist, or is empty.
        merge: an adapter is merged into its base, in float32, and written as a whole model.
        model: the model; the head of a reward model is written beside.
        dtype: type of the weights of a whole model that is written with `merge`.

    Raises:
        BadParams: the folder is not empty, or a type is given without `merge`.
        NotFound: there is no such version.
        BadModel: the version's files differ from those that were registered, or its base is missing.
        RoundBusy: another process stores a base model.
    """
    if into.exists() and not (into.is_dir() and not any(into.iterdir())):
        raise BadParams(f"{into} is not empty; name a new folder for the export")
    if dtype != "float32" and not merge:
        raise BadParams("only a whole model has a type of its own; give --merge with --dtype")
    registry = Registry(workspace.root)
    chosen = version_files.named(registry, version, model)
    with version_files.fetched(workspace, registry, chosen) as files, replacing(into) as draft:
        base = version_files.base_of(workspace, files)
        if merge:
            merging.save_whole(files, base, draft, dtype)
        else:
            draft.mkdir()
        if base and not merge:
            peft_files.write(files, base, _name(workspace, base), draft)
        _copy_others(files, draft)
    return ExportedVersion(chosen, _name(workspace, base) if base and not merge else None)


def _name(workspace: Workspace, base: Path) -> str:
    return BaseRecord.load(workspace.base_record(base.name)).label


def _copy_others(files: Path, draft: Path) -> None:
    """The files that are not written in another format, such as the head of a reward model and the chat template."""
    for file in sorted(files.iterdir()):
        if file.name not in (adapters.FILE, adapters.TENSORS) and not (draft / file.name).exists():
            shutil.copyfile(file, draft / file.name)
