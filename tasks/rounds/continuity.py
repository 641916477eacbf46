"""Whether a new round can continue the champion: with the same base, and the same shape of the adapter.

A candidate starts from the champion and is held near the SFT model of the base. With another base, the two would be
unrelated; with another rank, the champion's adapter could not be trained on. `rounds rebase` makes the champion itself
a base, from which every setting can go on.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from core.errors import BadModel, BadParams
from models import adapters
from models.adapters import AdapterFacts, AdapterSettings
from models.policy import ModelSettings
from tasks.registry.bases import ADAPTER_TAG, DIGEST_TAG
from tasks.registry.versions import ModelVersion, VersionStore
from tasks.state import bases
from tasks.state.bases import SCRATCH, BaseRecord
from tasks.state.inputs import Base
from tasks.state.workspace import Workspace


class Made(NamedTuple):
    """What a registered model was made with."""

    base: str | None
    """Digest of its base; None if that is unknown, or the model was new."""
    adapter: Mapping[str, Any] | None
    """Rank, alpha and targets; None for a whole model."""


class Continued(NamedTuple):
    """The champion that a round continues, as far as the round's memory and its choice of settings depend on it."""

    as_base: str
    """What `rounds rebase` calls the base that it makes from the champion."""
    adapter: AdapterSettings | None
    """The champion's; None for a whole model."""
    rebased: bool
    """The base of the round was made from the champion, so that the round may have another adapter."""

    @property
    def accepts_adapters(self) -> bool:
        """Whether a round that trains adapters can continue it."""
        return self.adapter is not None or self.rebased


class _Difference(NamedTuple):
    knob: str
    champion: str
    round: str


def tags(folder: Path) -> dict[str, str]:
    """The tag that says how the adapter in a folder was made; none for a whole model."""
    return {ADAPTER_TAG: json.dumps(_shape(adapters.read(folder)))} if adapters.is_adapter(folder) else {}


def of_files(folder: Path, tags: Mapping[str, str]) -> Made:
    """What the model in a folder was made with; of a whole model, only the tags know the base.

    Raises:
        BadModel: its `adapter.json` is damaged.
    """
    if not adapters.is_adapter(folder):
        return Made(tags.get(DIGEST_TAG), None)
    facts = adapters.read(folder)
    return Made(facts.base, _shape(facts))


def of_version(store: VersionStore, version: ModelVersion) -> Made | None:
    """The same for a registered version, for a forecast: its weights are not fetched. None if a tag was edited.

    Raises:
        BadModel: its `adapter.json` is damaged, or its files are missing.
    """
    if ADAPTER_TAG in version.tags:
        return of_tags(version.tags)
    content = store.file(version, adapters.FILE)  # an adapter may be older than the tag
    if content is None:
        return Made(version.tags.get(DIGEST_TAG), None)
    origin = f"{adapters.FILE} of {version.name} version {version.version}"
    try:
        facts = adapters.parsed(json.loads(content), origin)
    except ValueError as error:
        raise BadModel(f"{origin} is damaged: {error}; restore the artifact store from a backup") from error
    return Made(facts.base, _shape(facts))


def of_tags(tags: Mapping[str, str]) -> Made | None:
    """The same by the tags of an adapter alone; None if a tag was edited."""
    try:
        shape = json.loads(tags[ADAPTER_TAG])
        return Made(tags.get(DIGEST_TAG), {name: shape[name] for name in ("rank", "alpha", "targets")})
    except (ValueError, KeyError, TypeError):
        return None


def check(workspace: Workspace, model: ModelSettings, base: Base, champion: ModelVersion, made: Made) -> None:
    """Refuse a round that cannot continue the champion, unless its base was made from this champion.

    Args:
        workspace: has the base, if it is not a model id that was never fetched.
        model: the section `model` of the new round.
        base: the base of the new round.
        champion: the champion.
        made: what the champion was made with.

    Raises:
        BadParams: the base, or the adapter, is another one than the champion's.
    """
    differences = list(_differences(workspace, model, base, made))
    if not differences or _made_from(workspace, base, champion):
        return
    first = differences[0]
    raise BadParams(
        f"{first.knob} is {first.round}, but the champion, policy version {champion.version}, was made with "
        f"{first.champion}, and a round continues the champion. Set {first.knob}={first.champion} again, or make the "
        "champion the base of the next rounds with `rounds rebase`"
    )


def continued(workspace: Workspace, base: str, champion: ModelVersion, made: Made) -> Continued:
    """What the champion means for a round with this `model.base`.

    Raises:
        BadModel: the base is named by the beginning of several digests.
    """
    record = bases.find(workspace, base)
    adapter = AdapterSettings(**{**made.adapter, "targets": tuple(made.adapter["targets"])}) if made.adapter else None
    return Continued(default_name(champion), adapter, bool(record and _is_made_from(record, champion)))


def default_name(version: ModelVersion) -> str:
    """What a base that is made from a version is called, unless it is named."""
    return f"policy-{version.version}"


def written(adapter: Mapping[str, Any] | None) -> str:
    """An adapter's settings as they are written on the command line."""
    if adapter is None:
        return "null"
    return "{" + ", ".join(f"{name}: {_text(value)}" for name, value in adapter.items()) + "}"


def _differences(workspace: Workspace, model: ModelSettings, base: Base, made: Made) -> Iterator[_Difference]:
    known = base.digest == SCRATCH or bases.is_digest(base.digest)
    if known and made.base and made.base != base.digest:
        yield _Difference("model.base", _label(workspace, made.base), _named(base))
    if model.adapter is None or made.adapter is None:
        if model.adapter or made.adapter:
            own = written(model.adapter.model_dump() if model.adapter else None)
            yield _Difference("model.adapter", written(made.adapter), own)
        return
    folder = workspace.base(base.digest)
    own_targets = adapters.targets_in(folder, model.adapter) if folder.is_dir() else None
    for name, value in (("rank", model.adapter.rank), ("alpha", model.adapter.alpha), ("targets", own_targets)):
        theirs = made.adapter[name]
        if value is not None and value != (tuple(theirs) if name == "targets" else theirs):
            yield _Difference(f"model.adapter.{name}", _text(theirs), _text(value))


def _made_from(workspace: Workspace, base: Base, champion: ModelVersion) -> bool:
    path = workspace.base_record(base.digest)
    return bases.is_digest(base.digest) and path.exists() and _is_made_from(BaseRecord.load(path), champion)


def _is_made_from(record: BaseRecord, champion: ModelVersion) -> bool:
    return record.merged is not None and record.merged.digest == champion.digest


def _shape(facts: AdapterFacts) -> dict[str, Any]:
    return {"rank": facts.rank, "alpha": facts.alpha, "targets": list(facts.targets)}


def _label(workspace: Workspace, digest: str) -> str:
    """A base as `model.base` may name it."""
    path = workspace.base_record(digest)
    return BaseRecord.load(path).label if path.exists() else digest[:12]


def _named(base: Base) -> str:
    return base.name if base.digest in (SCRATCH, base.name) else f"{base.name} ({base.digest[:12]})"


def _text(value: Any) -> str:
    return "[" + ", ".join(value) + "]" if isinstance(value, list | tuple) else str(value)
