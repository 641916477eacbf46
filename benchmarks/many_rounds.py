"""A workspace with many finished rounds, made from one whose rounds 0 and 1 ran: round 1, again and again.

Each copy has its own number, key, versions, runs, hashes and times, wherever a round leaves them: its record, its lines
of the audit log and of their copy in MLflow, its rows in MLflow's database, its saved files and models (hard links
where equal), its parts of feedback and votes, its objects in DVC's cache. The last rounds are the workspace's own, and
the others are of other workspaces of the same line: only MLflow has them, without the history of their metrics.
"""

import hashlib
import json
import os
import re
import shutil
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from core.files import write_text
from core.stored import Json
from tasks.registry import audit
from tasks.registry.alias import Registry
from tasks.registry.audit import AuditEntry
from tasks.registry.mirror import Mirror
from tasks.state import identity, records
from tasks.state.choosing import at
from tasks.state.inputs import Champion
from tasks.state.records import RoundRecord
from tasks.state.workspace import Workspace
from tasks.tools.versioning import DataGraph

TEAM = 4
"""Other workspaces, among which the rounds that are not the workspace's own are shared out."""

SECONDS = 10
"""From the start of one round to that of the next."""

OF_RUNS = ("tags", "latest_metrics", "params", "metrics")
"""Tables with a row's run in `run_uuid`."""

HISTORY = ("params", "metrics", "logged_model_metrics")
"""Tables that rounds of other workspaces are left out of: no command reads them."""

TIMES = {
    "runs": ("start_time", "end_time"),
    "metrics": ("timestamp",),
    "latest_metrics": ("timestamp",),
    "logged_models": ("creation_timestamp_ms", "last_updated_timestamp_ms"),
    "logged_model_metrics": ("metric_timestamp_ms",),
    "model_versions": ("creation_time", "last_updated_time"),
}
"""Columns with milliseconds since 1970."""

NUMBERS = {
    "round": 0,
    "version": 1,
    "champion": 0,
    "left": 0,
    "target": 1,
    "reward_version": 0,
    "rollback_to": 0,
}
"""Tags that are a number → what is added to the round's: round n registers policy n + 1 and reward n."""

Row = dict[str, Any]


class Rows(NamedTuple):
    """What a round left in one table of MLflow's database."""

    table: str
    rows: tuple[Row, ...]


class Copy(NamedTuple):
    """Round `number` as a copy of round 1."""

    number: int
    key: str
    names: Mapping[str, str]
    """Ids, hashes and keys of round 1 → those of the copy."""
    later: int
    """Seconds after round 1."""

    def text(self, text: str) -> str:
        """A text about the round."""
        return _pattern(tuple(self.names)).sub(lambda match: self.names[match.group()], text)

    def time(self, written: str) -> str:
        """A time, ISO 8601."""
        return (datetime.fromisoformat(written) + timedelta(seconds=self.later)).isoformat()


_PATTERNS: dict[tuple[str, ...], re.Pattern[str]] = {}


def _pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    if names not in _PATTERNS:
        _PATTERNS[names] = re.compile("|".join(map(re.escape, sorted(names, key=len, reverse=True))))
    return _PATTERNS[names]


def multiply(workspace: Workspace, rounds: int, own: int) -> None:
    """Give a workspace whose rounds 0 and 1 ran, and were promoted, `rounds` rounds, of which `own` are its own.

    Args:
        workspace: the workspace; its registry is the local one.
        rounds: rounds of the line, numbered from 0.
        own: rounds of the workspace: 0, 1 and the last ones.
    """
    first = rounds - own + 2
    _shift(workspace, (2 - rounds) * SECONDS)
    template = _Template(workspace)
    copies = [template.copy(number) for number in range(2, rounds)]
    theirs, ours = copies[: first - 2], copies[first - 2 :]
    for copied in copies:
        template.save(copied)
    for copied in ours:
        template.store(copied)
    template.insert(theirs, HISTORY)
    template.insert(ours, ())
    template.log(theirs, ours)
    if copies:
        template.make_last(copies[-1])


def _shift(workspace: Workspace, seconds: int) -> None:
    """Move rounds 0 and 1 into the past, so that the last copy is of now."""
    with sqlite3.connect(workspace.database) as database:
        for table, columns in TIMES.items():
            changes = ", ".join(f"{column} = {column} + {seconds * 1000}" for column in columns)
            database.execute(f"update {table} set {changes}")
    database.close()
    moved = Copy(0, "", {}, seconds)
    entries = [entry._replace(at=moved.time(entry.at)) for entry in audit.read(workspace.audit)]
    audit.replace(workspace.audit, audit.rechained(entries))
    for number in records.numbers(workspace):
        record = records.read(workspace, number)
        records.write(workspace, record.model_copy(update={"finished": moved.time(record.finished)}))


class _Template:
    """Round 1, and where its copies go."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.record = records.read(workspace, 1)
        self.entries = [entry for entry in audit.read(workspace.audit) if entry.facts.get("round") == 1]
        self.lock = (self.artifacts(self.record.run_id) / "round" / "dvc.lock").read_text(encoding="utf-8")
        self.md5s = sorted(set(re.findall(r"md5: ([0-9a-f]{32})(?:\.dir)?$", self.lock, re.MULTILINE)))
        self.tables = self._read()
        self.models = [row["model_id"] for row in self._rows("logged_models")]
        self.ids = sorted(
            {
                *(row["run_uuid"] for row in self._rows("runs")),
                *(model.removeprefix("m-") for model in self.models),
                *(row[column] for row in self._rows("inputs") for column in ("input_uuid", "source_id")),
            }
        )
        self.yaml = (self.artifacts(self.record.run_id) / "round" / "round.yaml").read_text(encoding="utf-8")
        self.champion = self.record.inputs.champion.digest if self.record.inputs.champion else ""
        self.cached = DataGraph(workspace.root).objects()
        self.keys = {0: records.read(workspace, 0).key, 1: self.record.key}

    def artifacts(self, run_id: str) -> Path:
        """The folder of a run's files."""
        return self.workspace.artifacts / run_id / "artifacts"

    def _rows(self, table: str) -> tuple[Row, ...]:
        return next(rows.rows for rows in self.tables if rows.table == table)

    def _read(self) -> list[Rows]:
        """The rows of round 1, in an order in which foreign keys hold."""
        database = sqlite3.connect(self.workspace.database)
        database.row_factory = sqlite3.Row

        def rows(table: str, condition: str, *values: str) -> Rows:
            found = database.execute(f"select * from {table} where {condition}", values)
            return Rows(table, tuple(map(dict, found)))

        run = self.record.run_id
        of_round = (
            "select ? union select run_uuid from tags where key = 'mlflow.parentRunId' and value = ? "
            "union select run_uuid from tags where key = 'target' and value = '2'"
        )
        tables = [rows("runs", f"run_uuid in ({of_round})", run, run)]
        tables += [rows(table, f"run_uuid in ({of_round})", run, run) for table in OF_RUNS]
        inputs = "select {} from inputs where destination_id = ?"
        tables.append(rows("datasets", f"dataset_uuid in ({inputs.format('source_id')})", run))
        tables.append(rows("inputs", "destination_id = ?", run))
        tables.append(rows("input_tags", f"input_uuid in ({inputs.format('input_uuid')})", run))
        models = "select model_id from logged_models where source_run_id = ?"
        tables += [
            rows(table, f"model_id in ({models})", run)
            for table in ("logged_models", "logged_model_tags", "logged_model_metrics")
        ]
        tables.append(rows("model_versions", "run_id = ?", run))
        own = "(name, version) in (select name, version from model_versions where run_id = ?)"
        tables.append(rows("model_version_tags", own, run))
        database.close()
        return tables

    def copy(self, number: int) -> Copy:
        """Round `number`, whose parent was copied before."""
        key = self.keys[number] = hashlib.sha256(f"round {number}".encode()).hexdigest()[:16]
        names = {name: _derived(name, number) for name in (*self.ids, *self.md5s)}
        names |= {self.record.key: key, str(self.record.parent): self.keys[number - 1]}
        known = Copy(number, key, names, (number - 1) * SECONDS)
        # the hash of the copy's dvc.lock, which the versions name
        lock = hashlib.sha256(known.text(self.lock).encode()).hexdigest()
        before = hashlib.sha256(self.lock.encode()).hexdigest()
        return known._replace(names=names | {before: lock})

    def inputs(self, copied: Copy) -> Json:
        """The frozen inputs of a copy."""
        number, inputs = copied.number, self.record.inputs.to_json()
        champion = Champion(version=str(number), digest=self.champion).to_json()
        return inputs | {"number": number, "parent": self.keys[number - 1], "champion": champion}

    def inputs_text(self, copied: Copy) -> str:
        """The same as round.yaml. Only these lines differ, and writing YAML takes longer than all the rest."""
        changed = {"number: 1": f"number: {copied.number}", "  version: '1'": f"  version: '{copied.number}'"}
        changed[f"parent: {self.keys[0]}"] = f"parent: {self.keys[copied.number - 1]}"
        return "".join(f"{changed.get(line, line)}\n" for line in self.yaml.splitlines())

    def save(self, copied: Copy) -> None:
        """The files in MLflow: the round's, and its models."""
        source, into = self.artifacts(self.record.run_id), self.artifacts(copied.text(self.record.run_id))
        _link(source, into)
        for name, text in (("dvc.lock", copied.text(self.lock)), ("round.yaml", self.inputs_text(copied))):
            (into / "round" / name).unlink()
            (into / "round" / name).write_text(text, encoding="utf-8")
        for model in self.models:
            folder = self.workspace.artifacts / "models"
            _link(folder / model, folder / copied.text(model))

    def store(self, copied: Copy) -> None:
        """The files in the workspace: record, parts of feedback and votes, objects in DVC's cache."""
        number, record = copied.number, dict[str, Any](self.record.to_json())
        policy, reward = record["registered"]
        record |= {
            "number": number,
            "key": copied.key,
            "parent": self.keys[number - 1],
            "run_id": copied.text(self.record.run_id),
            "version": str(number + 1),
            "finished": copied.time(self.record.finished),
            "inputs": self.inputs(copied),
            "registered": [policy | {"version": str(number + 1)}, reward | {"version": str(number)}],
        }
        records.write(self.workspace, RoundRecord.from_json(record, f"round {number}"))
        for folder in (self.workspace.feedback, self.workspace.votes):
            part = pq.read_table(folder / "part-00001-0.parquet")
            pq.write_table(_renamed(part, number), folder / f"part-{number:05}-0.parquet")
        for md5 in self.md5s:
            for ending in ("", ".dir"):
                if (file := self.cached.get(md5 + ending)) is not None:
                    name = copied.names[md5] + ending
                    into = file.parent.parent / name[:2] / name[2:]
                    into.parent.mkdir(exist_ok=True)
                    os.link(file, into)

    def insert(self, copies: Sequence[Copy], without: Iterable[str]) -> None:
        """The rows of copies in MLflow's database."""
        database = sqlite3.connect(self.workspace.database)
        database.execute("pragma cache_size = -1000000")  # KiB: the keys are random, so rows go to all pages
        database.execute("pragma synchronous = off")
        for rows in self.tables:
            if rows.rows and rows.table not in without:
                names = ", ".join(f'"{name}"' for name in rows.rows[0])
                marks = ", ".join("?" for _ in rows.rows[0])
                database.executemany(
                    f"insert into {rows.table} ({names}) values ({marks})",
                    (tuple(_row(rows.table, row, copied).values()) for copied in copies for row in rows.rows),
                )
        if copies:
            champion = "update registered_model_aliases set version = ? where name = 'policy'"
            database.execute(champion, (copies[-1].number + 1,))
        database.commit()
        database.close()

    def log(self, theirs: Sequence[Copy], ours: Sequence[Copy]) -> None:
        """The lines of the audit logs: in the workspace, and in MLflow those of all workspaces."""
        database = sqlite3.connect(self.workspace.database)
        for table in ("tags", "runs"):
            of_audit = "select run_uuid from runs where experiment_id in (select experiment_id from experiments"
            database.execute(f"delete from {table} where run_uuid in ({of_audit} where name = 'audit'))")
        database.commit()
        database.close()
        for member in range(TEAM):
            root = self.workspace.root.parent / f"{self.workspace.root.name}-{member}"
            shutil.rmtree(root, ignore_errors=True)
            other, entries = at(root), self._lines(theirs[member::TEAM])
            if entries:
                audit.replace(other.audit, audit.rechained(entries))
                _MirrorOf(self.workspace, other).send()
        entries = [*audit.read(self.workspace.audit), *self._lines(ours)]
        audit.replace(self.workspace.audit, audit.rechained(entries))
        Registry(self.workspace.root).send()

    def _lines(self, copies: Iterable[Copy]) -> list[AuditEntry]:
        return [self._entry(entry, copied) for copied in copies for entry in self.entries]

    def _entry(self, entry: AuditEntry, copied: Copy) -> AuditEntry:
        number = copied.number
        facts = {name: copied.text(fact) if isinstance(fact, str) else fact for name, fact in entry.facts.items()}
        numbers = {"version": number + (facts["model"] == "policy"), "now": number + 1, "left": number}
        numbers |= {"reward_version": number}
        facts |= {name: str(new) for name, new in numbers.items() if name in facts} | {"round": number}
        return entry._replace(facts=facts, at=copied.time(entry.at))

    def make_last(self, copied: Copy) -> None:
        """The files of the round that was opened last."""
        text = self.inputs_text(copied)
        opened = json.loads(self.workspace.opened.read_text(encoding="utf-8"))
        opened["inputs"] = hashlib.sha256(text.encode()).hexdigest()
        write_text(self.workspace.opened, json.dumps(opened))
        write_text(self.workspace.round, text)
        for step in ("ingest", "vote"):
            DataGraph(self.workspace.root).record(step)


class _MirrorOf(Mirror):
    """The mirror of another workspace's log, in this workspace's MLflow."""

    def __init__(self, workspace: Workspace, other: Workspace) -> None:
        super().__init__(Registry(workspace.root))
        self._workspace = other
        identity.made(other)


def _row(table: str, row: Row, copied: Copy) -> Row:
    changed: Row = {name: copied.text(value) if isinstance(value, str) else value for name, value in row.items()}
    for column in TIMES.get(table, ()):
        changed[column] += copied.later * 1000
    if table.endswith("tags"):
        name = changed.get("key", changed.get("tag_key"))
        column = "tag_value" if "tag_value" in changed else "value"
        if name in NUMBERS:
            changed[column] = str(copied.number + NUMBERS[str(name)])
    if table == "runs" and changed["name"].startswith("round "):
        changed["name"] = f"round {copied.number}"
    if table in ("model_versions", "model_version_tags"):
        changed["version"] = copied.number + (changed["name"] == "policy")
    return changed


def _renamed(part: pa.Table, number: int) -> pa.Table:
    """A part with ids of its own, in another round."""
    for column, values in (
        ("feedback_id", [_derived(name, number) for name in part["feedback_id"].to_pylist()]),
        ("round", [number] * part.num_rows),
    ):
        place = part.column_names.index(column)
        part = part.set_column(place, part.schema.field(place), pa.array(values, part.schema.field(place).type))
    return part


def _derived(name: str, number: int) -> str:
    """A name of the same length for a copy."""
    return hashlib.sha256(f"{name} {number}".encode()).hexdigest()[: len(name)]


def _link(source: Path, into: Path) -> None:
    shutil.copytree(source, into, copy_function=os.link)
