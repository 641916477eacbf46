"""Everything on record about one version of the policy, for an auditor: evidence, not a claim of compliance.

All of it comes from MLflow, so that it can be put together on any machine; only the audit log and the names of those
who gave feedback are in the workspace. The same records give the same bytes: nothing says when it was put together.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from core.files import replacing
from tasks.history.evidence.headings import PARTS, EvidencePart
from tasks.history.evidence.index import index
from tasks.history.lineage import Lineage, lineage, survey
from tasks.pages import cards
from tasks.registry import audit
from tasks.registry.alias import Registry
from tasks.registry.archive import SAVED, Archive, NotFound
from tasks.registry.audit import AuditEntry
from tasks.registry.incidents import CLOSED, NOTED, OPENED
from tasks.registry.versions import CHAMPION, ModelVersion
from tasks.state.workspace import Workspace

SUMS = "SHA256SUMS"
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a ZIP file can state: the same for every file in it."""

REPORTS = {"evaluate": "evaluation.json", "drift": "drift.json", "verdict": "gates.json"}
"""Report of a step → its name in the archive."""

PROBES = {"red_team": "red-team.json", "adversarial": "adversarial.json"}

Draw = Callable[[Lineage], str]
"""Lineage as text for people."""


class EvidenceArchive(NamedTuple):
    """The files of an archive by their paths, and what is not among them."""

    version: ModelVersion
    files: dict[str, bytes]
    missing: list[EvidencePart]


def resolve(registry: Registry, asked: str) -> ModelVersion:
    """The version of the policy that is asked for: `3`, `policy/3` or `policy@champion`.

    Raises:
        NotFound: there is none.
    """
    name = asked.removeprefix("models:/").removeprefix("policy/")
    versions = registry.versions("policy")
    if name == f"policy@{CHAMPION}":
        champion = registry.champion()
        name = champion.version if champion else name
    for version in versions:
        if version.version == name:
            return version
    known = ", ".join(version.version for version in reversed(versions)) or "none"
    raise NotFound(
        f"no version {asked!r} of the policy; there are: {known}. Ask for policy/3 or policy@champion; the reward "
        "model comes with the policy that was trained against it"
    )


def dossier(workspace: Workspace, asked: str, draw: Draw) -> EvidenceArchive:
    """Everything on record about a version.

    Args:
        workspace: where MLflow (unless `MLFLOW_TRACKING_URI` names a server) and perhaps an audit log are;
            may be empty.
        asked: see `resolve`.
        draw: makes a text of the lineage.

    Raises:
        NotFound: there is no such version.
    """
    registry, archive = Registry(workspace.root), Archive(workspace.root)
    version = resolve(registry, asked)
    title = f"policy/{version.version}"
    told = _unnamed(lineage(survey(workspace), f"version:{title}")._replace(asked=title))
    files = {
        **_cards(archive, version),
        "lineage.txt": draw(told).encode(),
        "lineage.json": _json(told.to_json()),
        **_saved(archive, version),
        **_numbers(archive, version),
        "registry.json": _json(
            version._asdict() | {"created": version.created.isoformat(), "tags": dict(version.tags)}
        ),
        **_moves(archive, version),
        **_logged(workspace.audit, version),
    }
    missing = [part for part in PARTS if part.path not in files]
    files["README.md"] = index(version, files, missing).encode()
    files[SUMS] = _sums(files)
    return EvidenceArchive(version, dict(sorted(files.items())), missing)


def write(found: EvidenceArchive, into: Path) -> None:
    """Write the archive whole, uncompressed: its bytes depend on no library's way to compress."""
    with replacing(into) as draft, ZipFile(draft, "w", ZIP_STORED) as archive:
        for path, content in found.files.items():
            info = ZipInfo(path, EPOCH)
            info.create_system, info.external_attr = 3, 0o644 << 16  # Unix, readable by all: on every system
            archive.writestr(info, content)


def concerns(entry: AuditEntry, version: ModelVersion) -> bool:
    """Whether a line of the audit log is about a version: names it, its weights or its round."""
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
    found = archive.files(version.run_id, cards.FOLDER)
    names = {
        cards.name("policy"): "model-card.md",
        cards.name("reward"): "reward-card.md",
        "data-card.md": "data-card.md",
    }
    return {names[name]: content for name, content in found.items() if name in names}


def _saved(archive: Archive, version: ModelVersion) -> dict[str, bytes]:
    """What closing saved: frozen inputs, hashes, reports."""
    found = archive.files(version.run_id, SAVED)
    kept: dict[str, bytes] = {name: found[name] for name in ("round.yaml", "opened.json", "dvc.lock") if name in found}
    if not version.round:  # round 0 has no steps after sft
        return kept
    kept |= {name: found[f"{step}.json"] for step, name in REPORTS.items() if f"{step}.json" in found}
    probes = json.loads(found.get("probes.json", b"{}"))
    return kept | {name: _json(probes[probe]) for probe, name in PROBES.items() if probe in probes}


def _numbers(archive: Archive, version: ModelVersion) -> dict[str, bytes]:
    metrics = [past.metrics for past in archive.rounds() if past.run_id == version.run_id]
    return {"metrics.json": _json(dict(sorted(metrics[0].items())))} if metrics else {}


def _moves(archive: Archive, version: ModelVersion) -> dict[str, bytes]:
    moves = archive.moves(version.version)
    return {"promotions.json": _json(moves)} if moves else {}


def _logged(path: Path, version: ModelVersion) -> dict[str, bytes]:
    """The lines of the audit log that concern the version, and whether the log is sound."""
    problems = audit.verify(path)
    if not path.exists() and not problems:
        return {}
    lines = concerning(audit.read(path), version)
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


def concerning(log: Iterable[AuditEntry], version: ModelVersion) -> list[AuditEntry]:
    """The lines about a version. Later lines of an incident name the incident alone, by the number of its first."""
    log = list(log)
    opened = {entry.seq for entry in log if entry.event == OPENED and concerns(entry, version)}
    return [entry for entry in log if concerns(entry, version) or entry.facts.get("incident") in opened]


def _unnamed(told: Lineage) -> Lineage:
    """Lineage with numbers in place of the names of those who gave feedback."""
    people = [one for past in told.rounds for side in past.people for one in side]
    names = dict.fromkeys(one.annotator for one in people)
    numbers = {name: f"annotator {place}" for place, name in enumerate(names, 1)}
    return told._replace(rounds=tuple(past._replace(people=past.people.renamed(numbers)) for past in told.rounds))


def _sums(files: Mapping[str, bytes]) -> bytes:
    """What `sha256sum --check` reads."""
    lines = [f"{hashlib.sha256(content).hexdigest()}  {path}\n" for path, content in sorted(files.items())]
    return "".join(lines).encode()


def _lines(entries: Iterable[AuditEntry]) -> bytes:
    """Lines as they stand in the log: their hashes are those that the chain names."""
    return "".join(json.dumps(entry._asdict(), ensure_ascii=False) + "\n" for entry in entries).encode()


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
