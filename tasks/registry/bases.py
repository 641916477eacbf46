"""Registered base models: versions of a line's model `base`, one per content, so that every machine can fetch one.

A base is asked for by its digest, and the downloaded files must have that digest. So neither a tag nor the artifact
store is trusted: the digest comes from round.yaml, or from the record of a round.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from core.errors import BadModel
from tasks.registry.versions import ModelVersion, VersionStore
from tasks.state import bases
from tasks.state.bases import BaseRecord
from tasks.state.workspace import Workspace
from tasks.tools import tracking

DIGEST_TAG = "base_digest"
"""Tag of a version of `policy` or `reward`: the digest of the base model that its round started from."""

ADAPTER_TAG = "adapter"
"""Tag of a version that is an adapter: its rank, alpha and targets, as JSON. The first adapters were registered without
it."""

NAMES_TAG = "base_names"
"""Tag of a version of `base`: its names, separated by spaces."""

_FULL = re.compile("[0-9a-f]{64}")
"""A whole digest: a tag that somebody edited is no path."""


class BaseVersions(VersionStore):
    """The base models that a line has registered."""

    def keep(self, record: BaseRecord, run_id: str, tags: Mapping[str, str]) -> ModelVersion:
        """Register a stored base once; later calls return the existing version. A killed upload is repeated.

        Args:
            record: the stored base.
            run_id: id of the run of the round that registers it.
            tags: `round`, `round_key` and `line` of that round.
        """
        if existing := self.of_digest(record.digest):
            return existing
        facts = {**tags, "digest": record.digest, NAMES_TAG: " ".join(record.names)}
        model_id = self._upload("base", bases.folder(Workspace(self.root), record.digest), run_id, facts, {})
        with self._locked():
            return self.of_digest(record.digest) or self._create("base", model_id, run_id, facts)

    def of_digest(self, digest: str) -> ModelVersion | None:
        """The registered version of a base; None if it was never registered."""
        return next((version for version in self.versions("base") if version.digest == digest), None)

    def find_named(self, text: str) -> ModelVersion | None:
        """The newest registered base with this name, digest, or beginning of a digest; None if there is none.

        Raises:
            BadModel: several digests begin like that.
        """
        versions = [version for version in self.versions("base") if _FULL.fullmatch(version.digest)]
        named = [version for version in versions if text in version.tags.get(NAMES_TAG, "").split()]
        if named or not bases.is_digest(text):
            return named[0] if named else None
        matches = [version for version in versions if version.digest.startswith(text)]
        if len({version.digest for version in matches}) > 1:
            digests = ", ".join(sorted(version.digest for version in matches))
            raise BadModel(f"model.base={text} is the beginning of several digests: {digests}; write more digits")
        return matches[0] if matches else None

    def fetch_base(self, digest: str, into: Workspace) -> Path:
        """The folder of a base in a workspace; downloaded by digest if the workspace does not have it.

        Raises:
            BadModel: it was never registered, or the stored files differ from it.
            RoundBusy: another process stores a base model.
        """
        if into.base(digest).is_dir():
            return bases.folder(into, digest)
        version = self.of_digest(digest)
        if version is None:
            raise BadModel(
                f"the base model {digest} is neither in {into.bases} nor registered at {tracking.uri(self.root)}; "
                "fetch it again with `rounds base fetch SOURCE`, or restore the folder from a backup"
            )
        self._store_download(version, into)
        return bases.folder(into, digest)

    def _store_download(self, version: ModelVersion, into: Workspace) -> None:
        with bases.drafting(into) as draft, TemporaryDirectory(dir=draft) as downloads:
            folder = self._download(version, Path(downloads))
            actual = bases.digest(bases.measured(folder))
            if actual != version.digest:
                raise BadModel(
                    f"base version {version.version}: the stored files have the digest {actual[:12]}…, expected "
                    f"{version.digest[:12]}…; restore the artifact store from a backup, or fetch the base model again "
                    "with `rounds base fetch SOURCE`"
                )
            names = version.tags.get(NAMES_TAG, "").split()
            name = next((name for name in names if bases.is_name(name)), None)
            bases.store(into, folder, draft, f"version {version.version} of {self.line.model('base')}", name)
