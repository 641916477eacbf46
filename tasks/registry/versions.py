"""Registered versions of `policy` and `reward`: put in once, found again, fetched whole."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from core.errors import BadModel
from core.files import digest, replacing
from tasks.state.lock import holding
from tasks.state.workspace import Workspace
from tasks.tools import tracking

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION = "champion"
_MISSING = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # what MLflow says of a version or alias not there
ModelName = Literal["policy", "reward"]


class ModelVersion(NamedTuple):
    """A registered version of a model."""

    name: str
    version: str
    round: int
    run_id: str
    """The run of the round that made it."""
    digest: str
    """SHA-256 of its folder, see `core.files.digest`."""
    tags: Mapping[str, str]
    created: datetime


class VersionStore:
    """The versions that rounds registered, and which of them is champion."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store: MlflowClient = tracking.client(root)

    def register(
        self, name: ModelName, folder: Path, run_id: str, tags: Mapping[str, str], metrics: Mapping[str, float]
    ) -> ModelVersion:
        """Keep a model for good. The same weights of the same round, registered again, are the same version.

        Args:
            name: which model.
            folder: its files.
            run_id: the run of its round.
            tags: `round`, `round_key`, and what belongs to it: `reward_version`, `prompt_template`, `data_lock`.
            metrics: how good it is; shown at the model.
        """
        marks = {**tags, "digest": digest(folder)}
        model_id = self._upload(name, folder, run_id, marks, metrics)
        with self._locked():
            return self._known(name, marks) or self._create(name, model_id, run_id, marks)

    def describe(self, version: ModelVersion, text: str) -> None:
        """Set what MLflow shows on the page of a version: Markdown, at most 5,000 characters."""
        self.store.update_model_version(version.name, version.version, text)

    def champion(self) -> ModelVersion | None:
        """The policy that is in use; None before the first.

        Raises:
            BadModel: the alias was moved by hand, to a version that no round registered.
        """
        version = self.alias()
        return self.version(version) if version else None

    def alias(self) -> str | None:
        """The version that the alias points to, whoever registered it."""
        from mlflow.exceptions import MlflowException

        try:
            return str(self.store.get_model_version_by_alias("policy", CHAMPION).version)
        except MlflowException as error:
            if error.error_code not in _MISSING:
                raise
            return None

    def version(self, version: str, name: ModelName = "policy") -> ModelVersion:
        """One version.

        Raises:
            BadModel: there is none of that number.
        """
        found = self.find(version, name)
        if found is None:
            raise BadModel(f"{name} has no version {version} that a round registered; see the model's page in MLflow")
        return found

    def find(self, version: str, name: ModelName = "policy") -> ModelVersion | None:
        """One version; None where no round registered it, or somebody deleted it in MLflow."""
        from mlflow.exceptions import MlflowException

        try:
            found = self.store.get_model_version(name, version)
        except MlflowException as error:
            if error.error_code not in _MISSING:
                raise
            return None
        return _read(found) if "round_key" in found.tags else None

    def versions(self, name: ModelName) -> list[ModelVersion]:
        """All versions that rounds registered, newest first. What others put under the name is left out."""
        found = self.store.search_model_versions(f"name = '{name}'")
        ours = [_read(version) for version in found if "round_key" in version.tags]
        return sorted(ours, key=lambda version: int(version.version), reverse=True)

    def fetch(self, version: ModelVersion, into: Path) -> Path:
        """The version's files at `into`, whole and as they were registered; the present folder stays if they are not.

        Raises:
            BadModel: the stored files are gone, or not those that were registered.
        """
        if into.exists() and digest(into) == version.digest:
            return into
        with replacing(into) as draft:
            self._download(version, draft.parent).rename(draft)
            if digest(draft) != version.digest:
                raise BadModel(
                    f"{version.name} version {version.version}: the stored files are not those that were registered "
                    f"(SHA-256 {digest(draft)[:12]}…, expected {version.digest[:12]}…); roll back to another version"
                )
        return into

    def _known(self, name: ModelName, marks: Mapping[str, str]) -> ModelVersion | None:
        same = "".join(f" and tags.{key} = '{marks[key]}'" for key in ("round_key", "digest"))
        return next(map(_read, self.store.search_model_versions(f"name = '{name}'{same}")), None)

    def _create(self, name: ModelName, model_id: str, run_id: str, marks: Mapping[str, str]) -> ModelVersion:
        if not self.store.search_registered_models(f"name = '{name}'"):
            self.store.create_registered_model(name)
        # The address of the files, not `models:/ID`: a database store looks that up in the process-wide default store.
        source = self.store.get_logged_model(model_id).artifact_location
        made = _read(self.store.create_model_version(name, source, run_id, dict(marks), model_id=model_id))
        link = json.dumps([{"name": name, "version": made.version}])
        self.store.set_logged_model_tags(model_id, {"mlflow.modelVersions": link})
        return made

    def _upload(
        self, name: ModelName, folder: Path, run_id: str, marks: Mapping[str, str], metrics: Mapping[str, float]
    ) -> str:
        """The model's files in MLflow's store; an upload that a kill cut short is done over in its place."""
        from mlflow.entities import LoggedModelStatus, Metric

        home = tracking.experiment(self.store, tracking.EXPERIMENT, self.root)
        same = f"tags.round_key = '{marks['round_key']}' and tags.digest = '{marks['digest']}'"
        title = f"{name}-round-{marks['round']}"
        found = self.store.search_logged_models([home], same)
        model = found[0] if found else self.store.create_logged_model(home, title, run_id, dict(marks), model_type=name)
        model_id = str(model.model_id)
        if model.status != LoggedModelStatus.READY:
            self.store.log_model_artifacts(model_id, str(folder))
            at, step = tracking.began_at(self.store, run_id), int(marks["round"])
            sent = {metric.key for metric in model.metrics or ()}  # by a closing that a kill cut short
            new = {key: float(value) for key, value in metrics.items() if key not in sent}
            self.store.log_batch(run_id, [Metric(key, new[key], at, step, model_id=model_id) for key in new])
            self.store.finalize_logged_model(model_id, "READY")
        return model_id

    def _download(self, version: ModelVersion, beside: Path) -> Path:
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException

        source = self.store.get_model_version_download_uri(version.name, version.version)
        try:
            got = download_artifacts(artifact_uri=source, dst_path=str(beside), tracking_uri=tracking.uri(self.root))
        except (MlflowException, OSError) as error:
            raise BadModel(
                f"{version.name} version {version.version}: no files at {source}; roll back\n{error}"
            ) from error
        return Path(got)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with holding(Workspace(self.root).registry_lock, "a change of the registry", wait=60):
            yield


def _read(found: Any) -> ModelVersion:
    tags = dict(found.tags)
    created = datetime.fromtimestamp(found.creation_timestamp / 1000, UTC)
    # a number on a database, a text over HTTP
    return ModelVersion(found.name, str(found.version), int(tags["round"]), found.run_id, tags["digest"], tags, created)
