"""Attempts of a step on other machines, as files in the handover.

    WORKSPACE/bases/…, objects/…               files by SHA-256; those of base models stay, the others are of one round
    WORKSPACE/KEY/STEP/latest.json             which attempt is the latest one, and whether its outputs are accepted
    WORKSPACE/KEY/STEP/ATTEMPT/manifest.json   what the step needs, and the checkpoint that it continues from; both
                                               files are written by the coordinator, the rest by the worker:
    WORKSPACE/KEY/STEP/ATTEMPT/beat.json       a sign of life, and what the attempt has used
    WORKSPACE/KEY/STEP/ATTEMPT/reports.jsonl   what the step reports
    WORKSPACE/KEY/STEP/ATTEMPT/checkpoint.json its last training checkpoint; the files are in checkpoint/
    WORKSPACE/KEY/STEP/ATTEMPT/result.json     its outputs, or why it failed

WORKSPACE is the id of the workspace, KEY the key of the round. An attempt that was given up writes to its own folder
only, so nothing that it stores late can reach a later one.
"""

import json
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

import yaml

from core.errors import Damaged
from core.stored import Stored, Value
from tasks.state.round import Round
from tasks.state.usage import StepUsage
from tasks.state.workspace import PROJECT, Workspace
from tasks.tools.handover import HandedFile, Handover

BASES, OBJECTS = "bases", "objects"
"""Areas of the handover."""


class HandedFiles(Value):
    """Files and folders of a workspace, by path."""

    folders: tuple[str, ...] = ()
    """Folders that have to exist, also if they are empty."""
    files: Mapping[str, HandedFile] = {}

    @property
    def digests(self) -> frozenset[str]:
        """The SHA-256 of each file."""
        return frozenset(file.sha256 for file in self.files.values())


class HandedCheckpoint(Value):
    """A training checkpoint of an attempt."""

    area: str
    """Where its files are in the handover."""
    files: HandedFiles
    earlier: HandedFiles = HandedFiles()
    """Those of the checkpoint before, which are still there."""


class LatestAttempt(Value):
    """The attempt of a step that was begun last."""

    attempt: str
    lost: bool = False
    """Whether its outputs are no longer accepted."""


class StepManifest(Stored):
    """What a step needs to run in an empty workspace."""

    attempt: str
    step: str
    code: str
    """Digest of the source files that change results."""
    checkout: str
    """How that code is checked out, as a clause."""
    lost_after: float
    """Seconds without a sign of life, after which the step is given to another worker."""
    inputs: HandedFiles
    outputs: tuple[str, ...]
    """Paths that the step writes."""
    checkpoint: HandedCheckpoint | None = None
    """The training checkpoint of an earlier attempt that the step continues from; None to start from its beginning."""


class Beat(Value):
    """A sign of life."""

    count: int
    machine: str
    """Host name."""
    usage: StepUsage = StepUsage()
    learning: float = 0.0
    """Seconds of training so far."""


class StepReportLine(Value):
    """One report of the step."""

    metrics: Mapping[str, float]
    step: int
    total: int | None = None


class StepFailure(Value):
    """Why an attempt failed."""

    module: str
    kind: str
    """Module and name of the error's class."""
    message: str


class StepResult(Stored):
    """How an attempt ended."""

    attempt: str
    last: Beat
    outputs: HandedFiles = HandedFiles()
    failure: StepFailure | None = None


class Attempt:
    """One attempt of a step."""

    def __init__(self, handover: Handover, name: str) -> None:
        """Nothing is read yet.

        Args:
            handover: the whole handover of the workspace.
            name: `KEY/STEP/ATTEMPT`.
        """
        self.handover, self.name = handover, name
        self._step, _, self.id = name.rpartition("/")

    @property
    def current(self) -> bool:
        """Whether its outputs would be accepted."""
        latest = _latest(self.handover, self._step)
        return latest is not None and latest.attempt == self.id and not latest.lost

    def manifest(self) -> StepManifest:
        """What the step needs.

        Raises:
            Damaged: it is missing or invalid.
        """
        return StepManifest.from_json(self._read("manifest.json") or {}, f"the manifest of {self.name}")

    def begin(self, manifest: StepManifest) -> None:
        """Make this the attempt whose outputs are accepted."""
        self._write("manifest.json", manifest.to_json())
        self.handover.write(f"{self._step}/latest.json", LatestAttempt(attempt=self.id).to_json())

    def end(self) -> None:
        """Accept no more outputs of it."""
        if self.current:
            self.handover.write(f"{self._step}/latest.json", LatestAttempt(attempt=self.id, lost=True).to_json())

    def beat(self) -> Beat | None:
        """The last sign of life; None before the first."""
        value = self._read("beat.json")
        return None if value is None else Beat.from_json(value)

    def show_life(self, beat: Beat) -> None:
        """Write a sign of life."""
        self._write("beat.json", beat.to_json())

    def reports(self) -> list[StepReportLine]:
        """All reports so far."""
        text = self.handover.read_text(f"{self.name}/reports.jsonl") or ""
        return [StepReportLine.from_json(json.loads(line)) for line in text.splitlines()]

    def report(self, lines: Iterable[StepReportLine]) -> None:
        """Replace the reports by these."""
        self.handover.write_text(
            f"{self.name}/reports.jsonl", "".join(json.dumps(line.to_json()) + "\n" for line in lines)
        )

    def result(self) -> StepResult | None:
        """How it ended; None while it runs. What another attempt wrote in its place is no result."""
        value = self._read("result.json")
        result = None if value is None else StepResult.from_json(value, f"the result of {self.name}")
        return result if result and result.attempt == self.id else None

    def finish(self, result: StepResult) -> None:
        """Write how it ended."""
        self._write("result.json", result.to_json())

    def checkpoint(self) -> HandedCheckpoint | None:
        """Its last training checkpoint, or that which it continued from; None if there is neither."""
        value = self._read("checkpoint.json")
        return HandedCheckpoint.from_json(value) if value else self.manifest().checkpoint

    def keep_checkpoint(self, copies: Workspace, folder: Path) -> None:
        """Store a training checkpoint in the place of the one before the last.

        The last one stays: a coordinator that gives the step to another worker just now may have named its files.

        Args:
            copies: a workspace whose files nobody changes meanwhile.
            folder: the checkpoint in it.
        """
        value, place = self._read("checkpoint.json"), f"{self.name}/checkpoint"
        before = HandedCheckpoint.from_json(value) if value else HandedCheckpoint(area=place, files=HandedFiles())
        files = store(self.handover, copies, [folder], place)
        self._write("checkpoint.json", HandedCheckpoint(area=place, files=files, earlier=before.files).to_json())
        for old in before.earlier.digests - before.files.digests - files.digests:
            self.handover.drop(f"{place}/{old}")

    def _read(self, name: str) -> object:
        return self.handover.read(f"{self.name}/{name}")

    def _write(self, name: str, value: object) -> None:
        self.handover.write(f"{self.name}/{name}", value)


def latest(handover: Handover, key: str, step: str) -> Attempt | None:
    """The attempt of a step that was begun last; None if there is none."""
    found = _latest(handover, f"{key}/{step}")
    return Attempt(handover, f"{key}/{step}/{found.attempt}") if found else None


def _latest(handover: Handover, step: str) -> LatestAttempt | None:
    value = handover.read(f"{step}/latest.json")
    return LatestAttempt.from_json(value, f"{step}/latest.json") if value else None


def new(handover: Handover, key: str, step: str) -> Attempt:
    """A new attempt, which has not begun. Nobody can guess its id."""
    return Attempt(handover, f"{key}/{step}/{uuid.uuid4().hex}")


def inputs(round: Round, step: str) -> list[Path]:
    """What a step reads: round.yaml, what dvc.yaml says, and the models that DVC need not know of."""
    workspace = round.workspace
    paths = [workspace.round, *(workspace.root / path for path in _declared(step, "deps"))]
    if step == "sft":
        paths.append(workspace.champion)  # a new model keeps its tokenizer
    if round.base:
        paths += [workspace.base(round.base.digest), workspace.base_record(round.base.digest)]
        if round.base.imported:
            paths.append(workspace.imported(round.base.imported))
    return [path for path in paths if path.exists()]


def outputs(step: str) -> tuple[str, ...]:
    """The paths that a step writes."""
    return tuple(_declared(step, "outs"))


def store(handover: Handover, workspace: Workspace, paths: Iterable[Path], place: str | None = None) -> HandedFiles:
    """Store files, and all files in folders.

    Args:
        handover: where they are stored.
        workspace: whose files they are.
        paths: the files and folders.
        place: the area of the handover; None for that of each file (`area`).

    Raises:
        NoHandover: the handover cannot be written.
    """
    folders, files = [], {}
    for path in paths:
        if path.is_dir():
            folders.append(workspace.name(path))
        for file in sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]:
            name = workspace.name(file)
            files[name] = handover.put(file, place or area(name))
    return HandedFiles(folders=tuple(folders), files=files)


def fetch(
    handover: Handover, handed: HandedFiles, allowed: Iterable[str], root: Path, place: str | None = None
) -> None:
    """Fetch files to a folder.

    Args:
        handover: where they are.
        handed: which ones.
        allowed: the paths that they may have, or be in.
        root: the folder, to which their paths are relative.
        place: the area of the handover; None for that of each file (`area`).

    Raises:
        Damaged: a file is missing, has another content, or has a path that it may not have.
        NoHandover: the handover cannot be read.
    """
    places = [PurePosixPath(path) for path in allowed]
    for name in (*handed.folders, *handed.files):
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not any(path.is_relative_to(place) for place in places):
            raise Damaged(
                f"{handover.url}: {name} is not a path that the step reads or writes, so somebody else wrote to the "
                "handover; check who may"
            )
    for name in handed.folders:
        (root / name).mkdir(parents=True, exist_ok=True)
    for name, file in handed.files.items():
        handover.get(file, place or area(name), root / name)


def area(name: str) -> str:
    """The area of a file: base models are large and the same in many rounds, so they stay."""
    return BASES if PurePosixPath(name).is_relative_to(Workspace(Path()).bases.as_posix()) else OBJECTS


def _declared(step: str, what: str) -> list[str]:
    """The paths that dvc.yaml declares."""
    stage = yaml.safe_load(Workspace(PROJECT).graph.read_text(encoding="utf-8"))["stages"][step]
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in stage.get(what, [])]
