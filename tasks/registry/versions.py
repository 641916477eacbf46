"""Registered versions of a line's models `policy` and `reward`: register, look up and fetch."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from core import outages
from core.errors import BadModel, NotFound
from core.files import digest, replacing
from core.shown import significant
from tasks.registry import audit
from tasks.registry.ledger import REGISTER
from tasks.registry.line_store import LineStore
from tasks.registry.mirror import Mirror
from tasks.registry.trust import DigestSources, KnownDigest
from tasks.state.line import ModelLine, ModelName
from tasks.state.lock import holding
from tasks.state.workspace import Workspace
from tasks.tools import tracking
from tasks.tools.tracking import CHAMPION as CHAMPION

_LOST = (
    "restore the artifact store from a backup, or, if it is the champion, go back to the one before with "
    "`rounds rollback --reason …`"
)
"""What to do about a version whose files are lost or damaged."""


PAGE = 10_000
"""Versions per request to MLflow."""

NO_ROUND = -1
"""The round of a version whose tag `round` is missing or not a number."""


class ModelVersion(NamedTuple):
    """A registered version of a model."""

    name: str
    """`policy` or `reward`, in every line."""
    version: str
    round: int
    run_id: str
    """Id of the run of the round that registered it."""
    digest: str
    """SHA-256 of its folder by its tag, see `core.files.digest`; empty if somebody deleted the tag."""
    tags: Mapping[str, str]
    created: datetime

    @classmethod
    def of(cls, name: str, version: str, run_id: str, tags: Mapping[str, str], created: datetime) -> "ModelVersion":
        """A version by its tags, which anybody who can write to the server can edit or delete."""
        return cls(name, version, _round_of(tags), run_id, tags.get("digest", ""), tags, created)


class VersionStore(LineStore):
    """The versions that the rounds of a line registered, and which of them is champion."""

    def __init__(self, root: Path, line: ModelLine | None = None) -> None:
        """See `LineStore`."""
        super().__init__(root, line)
        self.mirror = Mirror(self)
        self.trust = DigestSources(Workspace(root), self.mirror)

    def register(
        self, name: ModelName, folder: Path, run_id: str, tags: Mapping[str, str], metrics: Mapping[str, float]
    ) -> ModelVersion:
        """Register a model, and write its digest to the audit log.

        Registering the same weights of the same round again returns the existing version. The digest is computed from
        the local folder, so that the log does not depend on what the registry stores.

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
            version = self._existing(name, tags) or self._create(name, model_id, run_id, tags)
            self._log(version, tags["digest"])
        return version

    def describe(self, version: ModelVersion, text: str) -> None:
        """Set the description on the version's page in MLflow: Markdown, at most 5,000 characters."""
        self.store.update_model_version(self.line.model(version.name), version.version, text)

    def alias(self) -> str | None:
        """The version that the alias points to, even if no round registered it; None if unset."""
        return None if self.unused else tracking.aliased(self.store, self.line.model("policy"))

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
            existing = self.store.get_model_version(self.line.model(name), version)
        except MlflowException as error:
            if error.error_code not in tracking.MISSING:
                raise
            return None
        return _read(existing, name) if "round_key" in existing.tags else None

    def versions(self, name: ModelName) -> list[ModelVersion]:
        """All versions that rounds registered, newest first; other versions of the model are left out."""
        if self.unused:
            return []
        versions = [_read(version, name) for version in self._all(name) if "round_key" in version.tags]
        return sorted(versions, key=lambda version: int(version.version), reverse=True)

    def _all(self, name: ModelName) -> Iterator[Any]:
        """All versions of the model as MLflow has them, of rounds or not."""
        condition, token = f"name = '{self.line.model(name)}'", None
        while True:
            page = self.store.search_model_versions(condition, max_results=PAGE, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def fetch(self, version: ModelVersion, into: Path) -> Path:
        """Fetch the version's files to `into` and verify their digest, see `trust`. An existing folder is kept if that
        fails. Warns of a version that nobody vouches for.

        Raises:
            BadModel: the stored files are missing, or differ from those that were registered.
        """
        known = self.trust.known(version)
        self.trust.report(version, known)
        if into.exists() and digest(into) == known.digest:
            return into
        with replacing(into) as draft:
            self._download(version, draft.parent).rename(draft)
            _check_digest(version, known, digest(draft))
        return into

    def file(self, version: ModelVersion, name: str) -> bytes | None:
        """The content of one small file of a version, which is not verified; None if the version has no such file.

        Raises:
            BadModel: the stored files are missing.
        """
        folder = self._local_folder(version)
        if folder is not None and folder.is_dir():
            return (folder / name).read_bytes() if (folder / name).is_file() else None
        from mlflow.artifacts import list_artifacts

        source = self._source(version)
        listed = list_artifacts(artifact_uri=source, tracking_uri=tracking.uri(self.root))
        if name not in {Path(entry.path).name for entry in listed}:
            return None
        with TemporaryDirectory(prefix=".rounds-") as into:
            return self._downloaded(version, f"{source}/{name}", Path(into)).read_bytes()

    def has_local_files(self, version: ModelVersion) -> bool:
        """Whether the version's files are at a path of this machine, or should be."""
        return self._local_folder(version) is not None

    def check_files(self, version: ModelVersion) -> KnownDigest:
        """Compare the version's files with the known digest, which is returned. Files elsewhere are downloaded for it.

        Raises:
            BadModel: the stored files are missing, or differ from those that were registered.
        """
        known = self.trust.known(version)
        self.trust.report(version, known)
        _check_digest(version, known, self._stored_digest(version))
        return known

    def _stored_digest(self, version: ModelVersion) -> str:
        folder = self._local_folder(version)
        if folder is not None and folder.is_dir():
            return digest(folder)
        data = Workspace(self.root).data
        data.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".checked-", dir=data) as into:
            return digest(self._download(version, Path(into)))

    def _local_folder(self, version: ModelVersion) -> Path | None:
        parts = urlsplit(self._source(version))
        return Path(unquote(parts.path)) if parts.scheme in ("", "file") else None

    def _source(self, version: ModelVersion) -> str:
        """The URI of the version's files."""
        return str(self.store.get_model_version_download_uri(self.line.model(version.name), version.version))

    def _log(self, version: ModelVersion, computed: str) -> None:
        """Write the audit line of a registration, unless a registration that was killed has written it."""
        log = Workspace(self.root).audit
        logged = self.trust.log().versions.get((version.name, version.version))
        if logged and logged.registered and logged.digest == computed:
            return
        optional = {name: version.tags[name] for name in ("verdict", "reward_version") if name in version.tags}
        facts = {"round": version.round, "key": version.tags["round_key"], "run": version.run_id, "digest": computed}
        audit.append(log, REGISTER, "rounds", model=version.name, version=version.version, **facts, **optional)

    def _existing(self, name: ModelName, tags: Mapping[str, str]) -> ModelVersion | None:
        condition = "".join(f" and tags.{key} = '{tags[key]}'" for key in ("round_key", "digest"))
        same = self.store.search_model_versions(f"name = '{self.line.model(name)}'{condition}")
        return _read(same[0], name) if same else None

    def _create(self, name: ModelName, model_id: str, run_id: str, tags: Mapping[str, str]) -> ModelVersion:
        registered = self.line.model(name)
        if not self.store.search_registered_models(f"name = '{registered}'"):
            self.store.create_registered_model(registered)
        # The URI of the files, not `models:/ID`, which a database store resolves in the process-wide default store.
        source = self.store.get_logged_model(model_id).artifact_location
        created = self.store.create_model_version(registered, source, run_id, dict(tags), model_id=model_id)
        version = _read(created, name)
        link = json.dumps([{"name": registered, "version": version.version}])
        self.store.set_logged_model_tags(model_id, {"mlflow.modelVersions": link})
        return version

    def _upload(
        self, name: ModelName, folder: Path, run_id: str, tags: Mapping[str, str], metrics: Mapping[str, float]
    ) -> str:
        """Upload the model's files to MLflow, or repeat an interrupted upload; returns the id of the logged model."""
        from mlflow.entities import LoggedModelStatus, Metric

        experiment = tracking.rounds_experiment(self.store, self.line, self.root)
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
            new = {key: significant(float(value)) for key, value in metrics.items() if key not in sent}
            self.store.log_batch(run_id, [Metric(key, new[key], start, step, model_id=model_id) for key in new])
            self.store.finalize_logged_model(model_id, "READY")
        return model_id

    def _download(self, version: ModelVersion, beside: Path) -> Path:
        return self._downloaded(version, self._source(version), beside)

    def _downloaded(self, version: ModelVersion, source: str, beside: Path) -> Path:
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException

        try:
            path = download_artifacts(artifact_uri=source, dst_path=str(beside), tracking_uri=tracking.uri(self.root))
        except (MlflowException, OSError) as error:
            if known := outages.explained(error):
                raise known from error
            raise BadModel(
                f"{version.name} version {version.version}: no files at {source}; {_LOST}\n{error}"
            ) from error
        return Path(path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with holding(Workspace(self.root).registry_lock, "a change of the registry", wait=60):
            yield


def _check_digest(version: ModelVersion, known: KnownDigest, actual: str) -> None:
    if actual != known.digest:
        raise BadModel(
            f"{version.name} version {version.version}: the stored files differ from the registered ones (SHA-256 "
            f"{actual[:12]}…, expected {known.digest[:12]}… by the {known.source}); {_LOST}"
        )


def _read(version: Any, name: str) -> ModelVersion:
    tags = dict(version.tags)
    created = datetime.fromtimestamp(version.creation_timestamp / 1000, UTC)
    # `version` is an int in a database store and a str over HTTP
    return ModelVersion.of(name, str(version.version), version.run_id, tags, created)


def _round_of(tags: Mapping[str, str]) -> int:
    try:
        return int(tags["round"])
    except (KeyError, ValueError):
        return NO_ROUND
