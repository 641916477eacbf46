"""The files of a registered version, with the base that they need."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from core.errors import NotFound
from models import adapters
from tasks.registry import absent
from tasks.registry.alias import Registry
from tasks.registry.versions import CHAMPION, ModelVersion
from tasks.rounds import base
from tasks.state import bases
from tasks.state.line import ModelName
from tasks.state.workspace import Workspace


def named(registry: Registry, text: str, model: ModelName = "policy") -> ModelVersion:
    """The version with this number, or the champion; of the reward model, the one that the champion was trained with.

    Raises:
        NotFound: there is no such version.
    """
    if text != CHAMPION:
        return registry.version(text, model)
    champion = registry.champion()
    if champion is None:
        reason = absent.why(registry)
        raise NotFound(reason)
    if model == "policy":
        return champion
    reward = registry.trust.reward_version(champion)
    if reward is None:
        raise NotFound(f"policy version {champion.version} was trained without a reward model; give a number instead")
    return registry.version(reward, "reward")


@contextmanager
def fetched(workspace: Workspace, registry: Registry, version: ModelVersion) -> Iterator[Path]:
    """The files of a version, in a folder that exists while the block runs. The base of an adapter is stored before.

    Raises:
        BadModel: the files differ from those that were registered, or the base is missing.
        RoundBusy: another process stores a base model.
    """
    workspace.data.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".version-", dir=workspace.data) as temporary:
        folder = registry.fetch(version, Path(temporary) / "model")
        base.provide_for(workspace, registry.line, folder)
        yield folder


def base_of(workspace: Workspace, folder: Path) -> Path | None:
    """The folder of the base of a saved model; None for a whole model.

    Raises:
        BadModel, Damaged: the base is not stored, or incomplete.
    """
    return bases.folder(workspace, adapters.read(folder).base) if adapters.is_adapter(folder) else None
