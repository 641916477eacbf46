"""The copy of the audit log in MLflow, which other machines compare with.

Each workspace has its own chain of lines, stored as tags of runs in the experiment `audit` of its line of models: one
run per 500 lines. All unsent lines are sent in one call. Lines that could not be sent because MLflow did not answer are
sent by the next command. Anybody who can write to MLflow can write there, so that only signed lines count as verified;
a signature covers all earlier lines of its chain.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from core.errors import BadParams, RoundsError
from core.shown import noted
from tasks.registry import audit, signing
from tasks.registry.audit import AuditEntry
from tasks.registry.ledger import Ledger, ledger
from tasks.registry.line_store import LineStore
from tasks.state import identity as identities
from tasks.state.workspace import Workspace
from tasks.tools import tracking

if TYPE_CHECKING:
    from tasks.tools.tracking import MlflowClient, Run

SEGMENT = 500
"""Lines per run."""

CHUNK = 4000
"""Characters per tag; MLflow's limit is 8,000, and was 5,000 in earlier versions."""

PAGE = 1000
"""Runs per request to MLflow, its maximum."""

_logger = logging.getLogger(__name__)


class MirroredLine(NamedTuple):
    """A line in the mirror."""

    workspace: str
    """Id of the workspace whose log it is from."""
    seq: int
    text: bytes
    signature: str | None = None

    @property
    def sha256(self) -> str:
        """The hash of the line."""
        return audit.sha256(self.text)


@dataclass(frozen=True)
class Mirrored:
    """What the mirror says, of all workspaces."""

    signed: Ledger
    """From lines that a trusted key signed, or that precede such a line in its chain."""
    all: Ledger
    """From all lines."""


class Mirror:
    """The mirror of the log of a workspace, and of those of other workspaces in the same line."""

    def __init__(self, registry: LineStore) -> None:
        self._registry = registry
        self._workspace = Workspace(registry.root)

    @property
    def store(self) -> "MlflowClient":
        """MLflow's client."""
        return self._registry.store

    def send(self) -> list[MirroredLine]:
        """Send the lines of the log that the mirror lacks; returns lines of the mirror that the log lacks.

        If there are such lines, nothing is sent: the log was restored from an older copy, cut or edited, or a copy of
        this workspace is in use.

        Raises:
            RoundsError: the identity of the workspace cannot be read.
            MlflowException: MLflow does not answer.
        """
        self.__dict__.pop("mirrored", None)  # what was read before has other lines
        lines = audit.lines(self._workspace.audit)
        own = self._own(bool(lines))
        if own is None:
            return []
        known = {audit.sha256(line): number for number, line in enumerate(lines)}
        newest = self._newest(own)
        last = max(_lines_of(newest), key=lambda line: line.seq, default=None) if newest else None
        if last is None or last.sha256 in known:
            self._append(own, lines[known[last.sha256] + 1 if last else 0 :], newest)
            return []
        if lacking := self.ahead():
            return lacking
        sent = {line.sha256 for line in self.lines(own)}
        self._append(own, [line for line in lines if audit.sha256(line) not in sent], newest)
        return []

    def lines(self, workspace: str | None = None) -> list[MirroredLine]:
        """The lines of one workspace, or of all, each chain in its order."""
        if self._registry.unused:
            return []
        experiment = tracking.find_experiment(self.store, self._registry.line.audit)  # not created: this must not write
        condition = f"tags.audit_workspace = '{workspace}'" if workspace else "tags.audit_workspace != ''"
        runs: list[Run] = []
        token: str | None = None
        while experiment is not None:
            page = self.store.search_runs([experiment], condition, max_results=PAGE, page_token=token)
            runs += page
            token = page.token
            if not token:
                break
        return lines_in(run.data.tags for run in runs)

    def ahead(self) -> list[MirroredLine]:
        """The mirrored lines of this workspace that its log lacks and nobody accepted; nothing is sent."""
        return lacking(self._workspace, self.own())

    def own(self) -> list[MirroredLine]:
        """The mirrored lines of this workspace."""
        own = self._own(False)
        return self.lines(own) if own else []

    @cached_property
    def mirrored(self) -> Mirrored:
        """The facts of all lines, read once. If a key cannot be read, no line counts as signed."""
        return facts(self._workspace, self.lines())

    def _own(self, create: bool) -> str | None:
        if create:
            return identities.made(self._workspace).id
        existing = identities.read(self._workspace)
        return existing.id if existing else None

    @cached_property
    def _experiment(self) -> str:
        return tracking.experiment(self.store, self._registry.line.audit, self._workspace.root)

    def _newest(self, own: str) -> "Run | None":
        condition = f"tags.audit_workspace = '{own}'"
        order = ["attributes.start_time DESC"]
        runs = self.store.search_runs([self._experiment], condition, max_results=1, order_by=order)
        return runs[0] if runs else None

    def _append(self, own: str, lines: Sequence[bytes], newest: "Run | None") -> None:
        key = self._key() if lines else None
        used = len(_lines_of(newest)) if newest else SEGMENT
        run_id = str(newest.info.run_id) if newest else ""
        rest = list(lines)
        while rest:
            if used >= SEGMENT:
                run_id, used = self._segment(own), 0
            part, rest = rest[: SEGMENT - used], rest[SEGMENT - used :]
            used += len(part)
            tags = [tag for line in part for tag in _tags(own, line, key).items()]
            for start in range(0, len(tags), tracking.MOST_PARAMS):
                tracking.set_tags(self.store, run_id, dict(tags[start : start + tracking.MOST_PARAMS]))

    def _segment(self, own: str) -> str:
        name = noted(f"audit log of {identities.made(self._workspace).name}")
        run = self.store.create_run(self._experiment, run_name=name, tags={"audit_workspace": own})
        self.store.set_terminated(run.info.run_id)
        return str(run.info.run_id)

    def _key(self) -> signing.PrivateKey | None:
        """The key that signs; a key that cannot be read must not stop a rollback, so that lines are sent unsigned."""
        try:
            return signing.private_key(self._workspace, signing.knobs(self._workspace))
        except BadParams as error:
            _logger.warning("lines of the audit log are mirrored without a signature: %s", error)
            return None


def identity(line: MirroredLine) -> str:
    """The identity of a line that the log lacks, by which a person accepts it."""
    return f"mirror:{line.sha256}"


def lacking(workspace: Workspace, mirrored: Iterable[MirroredLine]) -> list[MirroredLine]:
    """The lines among `mirrored`, which this workspace sent, that its log lacks and nobody accepted."""
    lines = audit.lines(workspace.audit)
    known, accepted = set(map(audit.sha256, lines)), ledger(entries_in(lines)).accepted
    return [line for line in mirrored if line.sha256 not in known and identity(line) not in accepted]


def lines_in(runs: Iterable[Mapping[str, str]]) -> list[MirroredLine]:
    """The lines in the tags of runs, each chain in its order."""
    return sorted((line for tags in runs for line in _lines(tags)), key=lambda line: (line.workspace, line.seq))


def facts(workspace: Workspace, lines: Sequence[MirroredLine]) -> Mirrored:
    """The facts that mirrored lines state. If a key of the workspace cannot be read, no line counts as signed."""
    return Mirrored(ledger(_entries(attested(lines, readable_keys(workspace)))), ledger(_entries(lines)))


def readable_keys(workspace: Workspace) -> signing.TrustedKeys:
    """The keys that a workspace trusts; none if one of them cannot be read."""
    try:
        return signing.trusted_keys(workspace, signing.knobs(workspace))
    except BadParams as error:
        _logger.warning("no line of the audit log's copy in MLflow can be verified: %s", error)
        return signing.TrustedKeys({})


def attested(lines: Iterable[MirroredLine], keys: signing.TrustedKeys) -> list[MirroredLine]:
    """The lines that a trusted key signed, and those before them in the same chain."""
    found: list[MirroredLine] = []
    wanted: set[tuple[str, str]] = set()
    for line in sorted(lines, key=lambda line: line.seq, reverse=True):
        entry = audit.parse(line.text)
        signed = (line.workspace, line.sha256) in wanted or keys.verified(line.workspace, line.text, line.signature)
        if entry and signed:
            found.append(line)
            wanted.add((line.workspace, entry.previous))
    return found


def entries_in(lines: Iterable[bytes]) -> Iterator[AuditEntry]:
    """The valid entries in lines."""
    return (entry for entry in map(audit.parse, lines) if entry is not None)


def sent(mirror: Mirror) -> list[MirroredLine]:
    """`Mirror.send`, but a failure is only logged: the log itself is on disk, and the next command sends it."""
    try:
        with tracking.answering(mirror._workspace.root):
            return mirror.send()
    except RoundsError as error:
        _logger.warning("the copy of the audit log in MLflow is behind: %s", error)
        return []


def _entries(lines: Iterable[MirroredLine]) -> list[AuditEntry]:
    """By time, so that moves of several workspaces are in the order in which they were made."""
    return sorted(entries_in({line.sha256: line.text for line in lines}.values()), key=lambda entry: entry.at)


def _tags(own: str, line: bytes, key: signing.PrivateKey | None) -> dict[str, str]:
    """A line as tags. A name has part of its hash, so that the lines of two chains do not replace each other."""
    entry, text = audit.parse(line), line.decode(errors="replace")
    name = f"line.{entry.seq if entry else 0:06}.{audit.sha256(line)[:12]}"
    chunks = [text[start : start + CHUNK] for start in range(0, len(text), CHUNK)]
    tags = {f"{name}.{number}": chunk for number, chunk in enumerate(chunks)}
    return tags | ({f"{name}.signature": key.sign(own, line)} if key else {})


def _lines_of(run: "Run") -> list[MirroredLine]:
    return _lines(run.data.tags)


def _lines(tags: Mapping[str, str]) -> list[MirroredLine]:
    parts: dict[str, dict[str, str]] = {}
    for name, value in tags.items():
        if name.startswith("line."):
            line, _, part = name.rpartition(".")
            parts.setdefault(line, {})[part] = value
    workspace = tags.get("audit_workspace", "")
    return [_line(workspace, parts[name]) for name in sorted(parts)]


def _line(workspace: str, parts: dict[str, str]) -> MirroredLine:
    numbers = sorted((part for part in parts if part.isdecimal()), key=int)
    text = "".join(parts[number] for number in numbers).encode()
    entry = audit.parse(text)
    return MirroredLine(workspace, entry.seq if entry else 0, text, parts.get("signature"))
