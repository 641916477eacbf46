"""Registered versions of the models `policy` and `reward`: register, look up and fetch."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from core import outages
from core.errors import BadModel, NotFound
from core.files import digest, replacing
from tasks.state.lock import holding
from tasks.state.workspace import Workspace
from tasks.tools import tracking

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION = "champion"
_MISSING = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # MLflow's error codes for a missing version or alias
_LOST = (
    "restore the artifact store from a backup, or, if it is the champion, go back to the one before with "
    "`rounds rollback --reason …`"
)
"""What to do about a version whose files are lost or damaged."""

ModelName = Literal["policy", "reward"]


class ModelVersion(NamedTuple):
    """A registered version of a model."""

    name: str
    version: str
    round: int
    run_id: str
    """Id of the run of the round that registered it."""
    digest: str
    """SHA-256 of its folder, see `core.files.digest`."""
    tags: Mapping[str, str]
    created: datetime


class VersionStore:
    """The versions that rounds registered, and which of them is champion."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def store(self) -> "MlflowClient":
        """MLflow's client. A database is created with it, so what only reads asks `unused` first."""
        return tracking.client(self.root)

    @property
    def unused(self) -> bool:
        """True if there is no database yet, and so no version."""
        return "store" not in self.__dict__ and not tracking.exists(self.root)

    def register(
        self, name: ModelName, folder: Path, run_id: str, tags: Mapping[str, str], metrics: Mapping[str, float]
    ) -> ModelVersion:
        """Register a model. Registering the same weights of the same round again returns the existing version.

        Args:
            name: name of the model.
            folder: folder with its files.
            run_id: id of the round's run.
            tags: `round`, `round_key`, and others such as `reward_version`, `prompt_template`, `data_lock`.
            metrics: metrics shown on the model's page in MLflow.
        """
        tags = {**tags, "digest": digest(folder)}
        model_id = self._upload(name, folder, run_id, tags, metrics)
        with self._locked():
            return self._existing(name, tags) or self._create(name, model_id, run_id, tags)

    def describe(self, version: ModelVersion, text: str) -> None:
        """Set the description on the version's page in MLflow: Markdown, at most 5,000 characters."""
        self.store.update_model_version(version.name, version.version, text)

    def alias(self) -> str | None:
        """The version that the alias points to, even if no round registered it; None if unset."""
        if self.unused:
            return None
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
            NotFound: no round registered a version with this number.
        """
        existing = self.find(version, name)
        if existing is None:
            known = ", ".join(version.version for version in reversed(self.versions(name))) or "none"
            raise NotFound(f"{name} has no version {version} that a round registered; there are: {known}")
        return existing

    def find(self, version: str, name: ModelName = "policy") -> ModelVersion | None:
        """One version; None if no round registered it, or it was deleted in MLflow."""
        if self.unused:
            return None
        from mlflow.exceptions import MlflowException

        try:
            existing = self.store.get_model_version(name, version)
        except MlflowException as error:
            if error.error_code not in _MISSING:
                raise
            return None
        return _read(existing) if "round_key" in existing.tags else None

    def versions(self, name: ModelName) -> list[ModelVersion]:
        """All versions that rounds registered, newest first; other versions of the model are left out."""
        registered = [] if self.unused else self.store.search_model_versions(f"name = '{name}'")
        versions = [_read(version) for version in registered if "round_key" in version.tags]
        return sorted(versions, key=lambda version: int(version.version), reverse=True)

    def fetch(self, version: ModelVersion, into: Path) -> Path:
        """Fetch the version's files to `into` and verify their digest. An existing folder is kept if that fails.

        Raises:
            BadModel: the stored files are missing, or differ from those that were registered.
        """
        if into.exists() and digest(into) == version.digest:
            return into
        with replacing(into) as draft:
            self._download(version, draft.parent).rename(draft)
            if digest(draft) != version.digest:
                raise BadModel(
                    f"{version.name} version {version.version}: the stored files differ from the registered ones "
                    f"(SHA-256 {digest(draft)[:12]}…, expected {version.digest[:12]}…); {_LOST}"
                )
        return into

    def _existing(self, name: ModelName, tags: Mapping[str, str]) -> ModelVersion | None:
        condition = "".join(f" and tags.{key} = '{tags[key]}'" for key in ("round_key", "digest"))
        return next(map(_read, self.store.search_model_versions(f"name = '{name}'{condition}")), None)

    def _create(self, name: ModelName, model_id: str, run_id: str, tags: Mapping[str, str]) -> ModelVersion:
        if not self.store.search_registered_models(f"name = '{name}'"):
            self.store.create_registered_model(name)
        # The URI of the files, not `models:/ID`, which a database store resolves in the process-wide default store.
        source = self.store.get_logged_model(model_id).artifact_location
        version = _read(self.store.create_model_version(name, source, run_id, dict(tags), model_id=model_id))
        link = json.dumps([{"name": name, "version": version.version}])
        self.store.set_logged_model_tags(model_id, {"mlflow.modelVersions": link})
        return version

    def _upload(
        self, name: ModelName, folder: Path, run_id: str, tags: Mapping[str, str], metrics: Mapping[str, float]
    ) -> str:
        """Upload the model's files to MLflow, or repeat an interrupted upload; returns the id of the logged model."""
        from mlflow.entities import LoggedModelStatus, Metric

        experiment = tracking.experiment(self.store, tracking.EXPERIMENT, self.root)
        condition = f"tags.round_key = '{tags['round_key']}' and tags.digest = '{tags['digest']}'"
        title = f"{name}-round-{tags['round']}"
        models = self.store.search_logged_models([experiment], condition)
        model = (
            models[0]
            if models
            else self.store.create_logged_model(experiment, title, run_id, dict(tags), model_type=name)
        )
        model_id = str(model.model_id)
        if model.status != LoggedModelStatus.READY:
            self.store.log_model_artifacts(model_id, str(folder))
            start, step = tracking.began_at(self.store, run_id), int(tags["round"])
            sent = {metric.key for metric in model.metrics or ()}  # before a kill
            new = {key: float(value) for key, value in metrics.items() if key not in sent}
            self.store.log_batch(run_id, [Metric(key, new[key], start, step, model_id=model_id) for key in new])
            self.store.finalize_logged_model(model_id, "READY")
        return model_id

    def _download(self, version: ModelVersion, beside: Path) -> Path:
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException

        source = self.store.get_model_version_download_uri(version.name, version.version)
        try:
            path = download_artifacts(artifact_uri=source, dst_path=str(beside), tracking_uri=tracking.uri(self.root))
        except (MlflowException, OSError) as error:
            if known := outages.explained(error):
                raise known from error
            cure = tracking.moved(source, self.root)
            raise BadModel(
                f"{version.name} version {version.version}: no files at {source}; {cure or _LOST}\n{error}"
            ) from error
        return Path(path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with holding(Workspace(self.root).registry_lock, "a change of the registry", wait=60):
            yield


def _read(version: Any) -> ModelVersion:
    tags = dict(version.tags)
    created = datetime.fromtimestamp(version.creation_timestamp / 1000, UTC)
    # `version` is an int in a database store and a str over HTTP
    return ModelVersion(
        version.name, str(version.version), int(tags["round"]), version.run_id, tags["digest"], tags, created
    )
