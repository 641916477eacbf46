"""The evidence archive: everything on record about one version of the policy, for an auditor. No claim of compliance.

All of it comes from MLflow, so an archive can be made on any machine. Only the audit log and the names of annotators
are in the workspace. The same records give the same bytes: the archive contains no time of its own.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from core.errors import NotFound
from core.files import replacing
from tasks.history.evidence.headings import PARTS, EvidencePart
from tasks.history.evidence.index import index
from tasks.history.lineage import Lineage, lineage, survey
from tasks.pages import cards
from tasks.registry import audit
from tasks.registry.alias import Registry
from tasks.registry.archive import SAVED, Archive, PastRound
from tasks.registry.audit import AuditEntry
from tasks.registry.bases import DIGEST_TAG
from tasks.registry.incidents import CLOSED, NOTED, OPENED
from tasks.registry.versions import CHAMPION, ModelVersion
from tasks.state import bases
from tasks.state.line import ModelLine
from tasks.state.workspace import Workspace

SUMS = "SHA256SUMS"
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that the ZIP format allows; used for every file, so that the bytes do not depend on the clock."""

REPORTS = {"evaluate": "evaluation.json", "drift": "drift.json", "verdict": "gates.json"}
"""Report of a step → its name in the archive."""

PROBES = {"red_team": "red-team.json", "adversarial": "adversarial.json"}

DrawLineage = Callable[[Lineage], str]
"""Renders a lineage as text."""


class EvidenceArchive(NamedTuple):
    """The files of an archive by path, and the parts that are missing."""

    version: ModelVersion
    files: dict[str, bytes]
    missing: list[EvidencePart]


def resolve(registry: Registry, query: str) -> ModelVersion:
    """The version of the policy that a query names: `3`, `policy/3` or `policy@champion`.

    Raises:
        NotFound: there is no such version.
    """
    name = registry.line.unprefixed(query.removeprefix("models:/")).removeprefix("policy/")
    versions = registry.versions("policy")
    if name == f"policy@{CHAMPION}":
        champion = registry.champion()
        name = champion.version if champion else name
    for version in versions:
        if version.version == name:
            return version
    known = ", ".join(version.version for version in reversed(versions)) or "none"
    raise NotFound(
        f"no version {query!r} of the policy; available: {known}. Name it as policy/3 or policy@champion; the "
        "archive of a policy also covers its reward model"
    )


def collect_evidence(
    workspace: Workspace, query: str, draw_lineage: DrawLineage, line: ModelLine | None = None
) -> EvidenceArchive:
    """Collect everything on record about a version.

    Args:
        workspace: has the MLflow store, unless `MLFLOW_TRACKING_URI` names another, and perhaps an audit log;
            may be empty.
        query: see `resolve`.
        draw_lineage: renders the lineage as text.
        line: the line of the version; by default the workspace's.

    Raises:
        NotFound: there is no such version.
    """
    registry, archive = Registry(workspace.root, line), Archive(workspace.root, line)
    version = resolve(registry, query)
    title = f"policy/{version.version}"
    known = registry.trust.known(version)
    registry.trust.report(version, known)
    lineage_ = _anonymous(lineage(survey(workspace, line), f"version:{title}")._replace(query=title))
    files = {
        **_cards(archive, version),
        "lineage.txt": draw_lineage(lineage_).encode(),
        "lineage.json": _json(lineage_.to_json()),
        **_saved(archive, version),
        **_numbers(archive, version),
        "registry.json": _json(
            version._asdict()
            | {"created": version.created.isoformat(), "tags": dict(version.tags), "known_digest": known._asdict()}
            | _base(workspace, version)
        ),
        **_moves(archive, version),
        **_logged(workspace.audit, version),
    }
    missing = [part for part in PARTS if part.path not in files]
    files["README.md"] = index(version, files, missing).encode()
    files[SUMS] = _sums(files)
    return EvidenceArchive(version, dict(sorted(files.items())), missing)


def write(evidence: EvidenceArchive, into: Path) -> None:
    """Write the archive atomically and uncompressed, so that its bytes do not depend on a compression library."""
    with replacing(into) as draft, ZipFile(draft, "w", ZIP_STORED) as archive:
        for path, content in evidence.files.items():
            info = ZipInfo(path, EPOCH)
            info.create_system, info.external_attr = 3, 0o600 << 16  # Unix, on every system
            archive.writestr(info, content)


def is_about(entry: AuditEntry, version: ModelVersion) -> bool:
    """True if an entry of the audit log is about a version: it names the version, its weights or its round."""
    facts = entry.facts
    if facts.get("model", "policy") != "policy":
        return False
    named = {str(facts[name]).removeprefix("policy/") for name in ("now", "left", "version") if name in facts}
    key = version.tags["round_key"]
    return (
        version.version in named
        or facts.get("digest") == version.digest
        or key in (facts.get("key"), facts.get("round_key"))
    )


def _cards(archive: Archive, version: ModelVersion) -> dict[str, bytes]:
    files = archive.files(version.run_id, cards.FOLDER)
    names = {
        cards.name("policy"): "model-card.md",
        cards.name("reward"): "reward-card.md",
        "data-card.md": "data-card.md",
    }
    return {names[name]: content for name, content in files.items() if name in names}


def _base(workspace: Workspace, version: ModelVersion) -> dict[str, Any]:
    """The record of the version's base model, with the SHA-256 of each file, if the workspace has the base."""
    digest = version.tags.get(DIGEST_TAG)
    record = bases.find(workspace, digest) if digest else None
    return {"base": record.to_json()} if record else {}


def _saved(archive: Archive, version: ModelVersion) -> dict[str, bytes]:
    """The files that closing the round saved: frozen inputs, hashes, reports."""
    saved = archive.files(version.run_id, SAVED)
    files: dict[str, bytes] = {name: saved[name] for name in ("round.yaml", "opened.json", "dvc.lock") if name in saved}
    if not version.round:  # round 0 has no steps after sft
        return files
    files |= {name: saved[f"{step}.json"] for step, name in REPORTS.items() if f"{step}.json" in saved}
    probes = json.loads(saved.get("probes.json", b"{}"))
    return files | {name: _json(probes[probe]) for probe, name in PROBES.items() if probe in probes}


def _numbers(archive: Archive, version: ModelVersion) -> dict[str, bytes]:
    rounds = [past for past in archive.rounds() if past.run_id == version.run_id]
    return {"metrics.json": _json(dict(sorted(_metrics(archive, rounds[0]).items())))} if rounds else {}


def _metrics(archive: Archive, past: PastRound) -> dict[str, float]:
    metrics = dict(past.metrics)
    with suppress(NotFound), archive.saved(past) as saved:
        metrics |= saved.metrics  # all digits
    return metrics


def _moves(archive: Archive, version: ModelVersion) -> dict[str, bytes]:
    moves = archive.moves(version.version)
    return {"promotions.json": _json(moves)} if moves else {}


def _logged(path: Path, version: ModelVersion) -> dict[str, bytes]:
    """The lines of the audit log about the version, and the result of its verification."""
    problems = audit.verify(path)
    if not path.exists() and not problems:
        return {}
    lines = entries_about(audit.read(path), version)
    parts = {
        "audit.jsonl": lines,
        "approvals.jsonl": [entry for entry in lines if entry.event in ("approval", "refusal")],
        "incidents.jsonl": [entry for entry in lines if entry.event in (OPENED, NOTED, CLOSED)],
    }
    verified = {"sound": not problems, "problems": problems, "extract": [entry.seq for entry in lines]}
    return {
        "audit-verification.json": _json(verified),
        **{name: _lines(entries) for name, entries in parts.items() if entries},
    }


def entries_about(log: Iterable[AuditEntry], version: ModelVersion) -> list[AuditEntry]:
    """The entries about a version. Later entries of an incident name only the incident, by its number."""
    log = list(log)
    opened = {entry.seq for entry in log if entry.event == OPENED and is_about(entry, version)}
    return [entry for entry in log if is_about(entry, version) or entry.facts.get("incident") in opened]


def _anonymous(lineage_: Lineage) -> Lineage:
    """The lineage with annotators numbered instead of named."""
    people = [entry for past in lineage_.rounds for side in past.people for entry in side]
    names = dict.fromkeys(entry.annotator for entry in people)
    numbers = {name: f"annotator {number}" for number, name in enumerate(names, 1)}
    return lineage_._replace(
        rounds=tuple(past._replace(people=past.people.renamed(numbers)) for past in lineage_.rounds)
    )


def _sums(files: Mapping[str, bytes]) -> bytes:
    """Checksums in the format of `sha256sum --check`."""
    lines = [f"{hashlib.sha256(content).hexdigest()}  {path}\n" for path, content in sorted(files.items())]
    return "".join(lines).encode()


def _lines(entries: Iterable[AuditEntry]) -> bytes:
    """Entries exactly as in the log, so that the hashes of its chain match."""
    return "".join(json.dumps(entry._asdict(), ensure_ascii=False) + "\n" for entry in entries).encode()


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
