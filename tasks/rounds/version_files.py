"""The files of a registered version, with the base that they need, and its token limits."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from core.errors import NotFound
from core.settings import parse
from models import adapters
from models.policy import ModelSettings
from tasks.registry import absent
from tasks.registry.alias import Registry
from tasks.registry.archive import SAVED, Archive
from tasks.registry.versions import CHAMPION, ModelVersion
from tasks.rounds import base
from tasks.state import bases, records
from tasks.state.inputs import Inputs
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


def limits(workspace: Workspace, version: ModelVersion) -> ModelSettings:
    """The section `model` of the round that made a version: how long prompts and answers are, and how it computes.

    From the round's record, or from its run in MLflow if another machine ran it. Knobs of other releases are left out.

    Raises:
        NotFound: neither has the inputs of the round.
    """
    values = _inputs(workspace, version).params.get("model") or {}
    known = {name: value for name, value in values.items() if name in ModelSettings.model_fields}
    return parse(ModelSettings, known, f"policy version {version.version}, its round.yaml", ("model",))


def _inputs(workspace: Workspace, version: ModelVersion) -> Inputs:
    key = version.tags.get("round_key")
    for number in records.numbers(workspace):
        record = records.read(workspace, number)
        if record.key == key:
            return record.inputs
    saved = Archive(workspace.root).files(version.run_id, SAVED).get("round.yaml")
    if saved is None:
        raise NotFound(
            f"policy version {version.version}: neither a record nor its run {version.run_id} has the inputs of its "
            "round, so its token limits are unknown; restore MLflow's artifact store from a backup"
        )
    return Inputs.from_yaml(saved.decode(), f"round.yaml in the run {version.run_id}")
