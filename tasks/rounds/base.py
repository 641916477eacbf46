"""Which base model a round starts from: `model.base` as a person sets it → a stored base, by its digest."""

from pathlib import Path

from core.errors import BadModel
from models import adapters
from models.gguf_base import GGUF
from models.policy import ModelSettings
from tasks.registry.bases import BaseVersions
from tasks.rounds import fetching
from tasks.rounds.fetching import FROM_OTHERS, PACKAGES, Downloads
from tasks.rounds.params import RoundSettings
from tasks.state import bases
from tasks.state.bases import SCRATCH, BaseRecord
from tasks.state.inputs import Base
from tasks.state.line import ModelLine
from tasks.state.workspace import Workspace
from tasks.tools import tracking


def located(workspace: Workspace, model: ModelSettings) -> ModelSettings:
    """The section `model`, in which `base` is what can be loaded now.

    That is the folder of a stored base, if `base` is its name or its digest, or the model id from which it was fetched.
    A base that only the registry has is fetched from there. A folder, and a model id that was never fetched, stay.

    Raises:
        BadModel: it can only be a base that was fetched, and was not; or a digest is ambiguous.
        Damaged: a file of the stored base is missing.
    """
    if model.base == SCRATCH:
        return model
    record = _stored(workspace, model.base)
    if record is None:
        _refuse_unfetched(model.base)
        return model
    return model.model_copy(update={"base": str(bases.folder(workspace, record.digest))})


def in_params(workspace: Workspace, params: RoundSettings) -> RoundSettings:
    """All parameters, in which the base is what can be loaded now; see `located`."""
    return params.model_copy(update={"model": located(workspace, params.model)})


def settled(workspace: Workspace, base: str, downloads: Downloads = FROM_OTHERS) -> Base:
    """The base model of a round that is opened: stored in the workspace, and named by its digest.

    A model id of the hub is downloaded once. After that it stands for what was downloaded, until
    `rounds base fetch` is asked for it again.

    Raises:
        BadModel: see `located`, `fetching.fetch`.
        RoundBusy: another process stores a base model.
    """
    if base == SCRATCH:
        return Base(name=SCRATCH, digest=SCRATCH)
    record = _stored(workspace, base)
    if record is None:
        record = (
            _kept(workspace, Path(base))
            if Path(base).is_dir()
            else fetching.fetch(workspace, base, downloads=downloads)
        )
    return Base(name=base, digest=record.digest)


def provide_for(workspace: Workspace, line: ModelLine, model: Path) -> None:
    """Fetch the base of a saved model that is an adapter, unless the workspace has it. Other models need none.

    Raises:
        BadModel: neither the workspace nor the registry has the base.
        RoundBusy: another process stores a base model.
    """
    if adapters.is_adapter(model):
        BaseVersions(workspace.root, line).fetch_base(adapters.read(model).base, workspace)


def foreseen(workspace: Workspace, base: str) -> Base:
    """The base model that a round would start from; nothing is stored. The digest of a model id that was never fetched
    is unknown: it stays the id.

    Raises:
        BadModel: a folder has no weights that can be loaded.
    """
    record = _stored(workspace, base) if base != SCRATCH else None
    if record:
        return Base(name=base, digest=record.digest)
    folder = Path(base)
    known = base != SCRATCH and folder.is_dir()
    return Base(name=base, digest=bases.digest(bases.measured(folder)) if known else base)


def _stored(workspace: Workspace, base: str) -> BaseRecord | None:
    """The stored base that this names; fetched from the registry if only that has it. None if it is unknown."""
    if (record := bases.find(workspace, base)) or Path(base).is_dir() or not _may_be_registered(workspace, base):
        return record
    with tracking.answering(workspace.root):
        registered = BaseVersions(workspace.root)
        version = registered.find_named(base)
        if version is None:
            return None
        registered.fetch_base(version.digest, workspace)
    return bases.find(workspace, version.digest)


def _may_be_registered(workspace: Workspace, base: str) -> bool:
    known = bases.is_name(base) or bases.is_digest(base)
    return known and workspace.graph.exists() and tracking.exists(workspace.root)


def _kept(workspace: Workspace, folder: Path) -> BaseRecord:
    """The folder as a stored base; it is only read if the workspace has that content already."""
    record = bases.find(workspace, bases.digest(bases.measured(folder)))
    return record or fetching.keep(workspace, folder)


def _refuse_unfetched(base: str) -> None:
    if base in PACKAGES or base.endswith(GGUF):
        raise BadModel(f"model.base={base} is not fetched yet; fetch it with `rounds base fetch {base}`")
    if bases.is_digest(base):
        raise BadModel(
            f"model.base={base}: no stored or registered base model has that digest; see `rounds base list`, or fetch "
            "one with `rounds base fetch SOURCE`"
        )
