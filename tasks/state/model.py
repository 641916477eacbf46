"""The section `model` of an open round, with the folder of its base model."""

from pathlib import Path

from core.files import digest
from models.policy import ModelSettings
from tasks.state import bases
from tasks.state.inputs import Base
from tasks.state.round import Round


def settings(round: Round) -> ModelSettings:
    """The section `model`. `base` is the folder in `data/bases` that has the base model, or `scratch`.

    Raises:
        BadModel: the base model is not stored in the workspace.
        Damaged: a file of it is missing or has another size.
    """
    frozen = round.knobs("model", ModelSettings)
    folder = base_folder(round)
    return frozen.model_copy(update={"base": str(folder)}) if folder else frozen


def base_folder(round: Round) -> Path | None:
    """The folder of the base model; None for a new model, and for a base that an earlier release froze by its name.

    Raises:
        BadModel, Damaged: see `settings`.
    """
    base, workspace = round.base, round.workspace
    if base is None or base.digest == bases.SCRATCH:
        return None
    # the folder that it names is only read, as a whole, where nothing is stored under the digest
    if not workspace.base_record(base.digest).exists() and _of_an_earlier_release(base):
        return None
    return bases.folder(workspace, base.digest)


def _of_an_earlier_release(base: Base) -> bool:
    """Whether the digest has the old form: the name of a model on the hub, or the SHA-256 of a whole folder."""
    folder = Path(base.name)
    return base.digest == base.name or (folder.is_dir() and digest(folder) == base.digest)
