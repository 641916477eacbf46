"""Replay: run a finished round again from its MLflow run and the DVC remote, and compare the outputs byte by byte.

External data (`ingest` reads feedback from sources) is fetched by hash. Everything after that is computed again, in a
separate folder. Nothing is written to MLflow or to the registry.
"""

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from core.errors import BadModel, BadWorkspace
from core.files import digest, write_text
from models import adapters
from tasks import steps as round_steps
from tasks.registry.archive import FEEDBACK_PURGED, VOTES_PURGED, Archive, PastRound, SavedFiles
from tasks.registry.bases import BaseVersions
from tasks.registry.versions import ModelVersion, VersionStore
from tasks.rounds import fetching, imported_model, launched
from tasks.rounds.running import SHOW
from tasks.state import bases
from tasks.state import round as rounds
from tasks.state.choosing import at
from tasks.state.line import ModelLine
from tasks.state.reports import note_time
from tasks.state.steplog import StepLog
from tasks.state.workspace import Workspace
from tasks.tools import lines
from tasks.tools.versioning import DataGraph, Stages, stages

LEARNING = ("curate", "sft", "reward", "policy")
JUDGING = ("sample", "evaluate", "drift", "verdict")


class ComparedOutput(NamedTuple):
    """An output of the round and its hashes, in the round and in the replay."""

    what: str
    then: str
    now: str

    @property
    def identical(self) -> bool:
        """True if the hashes are equal."""
        return self.then == self.now


class Replay(NamedTuple):
    """The result of a replay."""

    past: PastRound
    workspace: Workspace
    compared: tuple[ComparedOutput, ...]
    asked: str | None = None
    """The reward server that scored the answers, with what it stated when the round opened; None without one."""

    @property
    def differing(self) -> list[ComparedOutput]:
        """The outputs that differ; empty if the round was reproduced."""
        return [output for output in self.compared if not output.identical]


def replay(
    workspace: Workspace, round_name: str, into: Path, remote: str | None, judge: bool, line: ModelLine | None = None
) -> Replay:
    """Run a finished round again.

    Args:
        workspace: has the MLflow store, unless `MLFLOW_TRACKING_URI` names another, and perhaps a DVC cache;
            may be empty.
        round_name: number, key or run of the round.
        into: a new or empty folder, which becomes a workspace.
        remote: name or URL of a DVC remote; by default the one that the round was pushed to.
        judge: also repeat the steps from `sample` to `verdict`, with the recorded votes.
        line: the line that has the round; by default the workspace's.

    Raises:
        NotFound: no such round, or its saved files or its champion are missing.
        BadWorkspace: feedback of the round was purged, the code differs from the round's, the folder is not empty, or
            data cannot be fetched.
        BadModel: the champion or the base model is not the one that the round used.
    """
    archive, store = Archive(workspace.root, line), VersionStore(workspace.root, line)
    past = archive.finished(round_name)
    _check_purged(past, judge)
    _check_code(past)
    if into.exists() and not (into.is_dir() and not any(into.iterdir())):
        raise BadWorkspace(f"{into} is not empty; name a new folder for the replay")
    with _all_or_nothing(into):
        with archive.saved(past) as saved:
            target = _rebuilt(at(into, salt=saved.inputs.salt), past, saved)
            lines.note(target, archive.line)
            recorded = saved.stages
            # without a workspace, the project's DVC configuration applies, which the target has a copy of
            remotes = _remotes(workspace if workspace.root.exists() else target, past, saved, remote)
        _fetch_champion(store, target)
        _fetch_bases(workspace, target, archive.line)
        imported_model.provide(target, store, rounds.inputs(target).base)
        steps = [step for step in (*LEARNING, *(JUDGING if judge else ())) if step in recorded]
        DataGraph(target.root).fetch(_wanted(target, recorded, steps), remotes)
    _run(target, steps)
    registered = [version for name in ("policy", "reward") for version in store.versions(name)]
    versions = [version for version in registered if version.run_id == past.run_id]
    compared = (*_outputs(target, recorded, steps), *_weights(store, target, versions))
    return Replay(past, target, compared, rounds.inputs(target).reward_server())


def _check_purged(past: PastRound, judge: bool) -> None:
    if when := past.tags.get(FEEDBACK_PURGED):
        raise BadWorkspace(
            f"{past.name} cannot be replayed: feedback that it read was purged {when}; name another round"
        )
    if judge and (when := past.tags.get(VOTES_PURGED)):
        raise BadWorkspace(
            f"{past.name} cannot be judged again: votes that it counted were purged {when}; replay it without --judge"
        )


def _check_code(past: PastRound) -> None:
    code, commit = past.tags.get("code"), past.tags.get("git_commit", "none")
    if code == rounds.code_digest():
        return
    cure = rounds.checkout_hint(None if commit == "none" else commit, past.tags.get("git_dirty") == "true")
    raise BadWorkspace(f"{past.name} was run with other code (digest {code}, now {rounds.code_digest()}); {cure}")


@contextmanager
def _all_or_nothing(into: Path) -> Iterator[None]:
    """Empty the folder again if filling it fails, so that the same command can be repeated after the cure."""
    try:
        yield
    except Exception:
        for path in into.glob("*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        raise


def _rebuilt(workspace: Workspace, past: PastRound, saved: SavedFiles) -> Workspace:
    """The workspace as it was after opening, without the data that is fetched later."""
    # `collect` and `ingest` are not run again: the feedback is fetched, and the report is copied from the round
    for file in (workspace.round, workspace.opened, workspace.recorded, workspace.report("collect")):
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(saved.folder / file.name, file)
    write_text(workspace.params, yaml.safe_dump(dict(saved.inputs.params), sort_keys=False, allow_unicode=True))
    if rounds.key(workspace, str(past.tags.get("code"))) != past.key:
        raise BadWorkspace(
            f"{past.name}: the round.yaml in its run does not match its key {past.key}, so the files of "
            "the run were edited; restore them in MLflow"
        )
    return workspace


def _remotes(workspace: Workspace, past: PastRound, saved: SavedFiles, remote: str | None) -> list[dict[str, str]]:
    """Where to fetch data from: the cache of this workspace, then the remote."""
    if not workspace.graph.exists():  # a server has the records, and there is no workspace
        address = remote or past.tags.get("dvc_remote")
        return [{"url": address}] if address else []
    data = DataGraph(workspace.root)
    remotes = [{"url": str(data.cache)}] if data.cache.exists() else []
    name = remote or data.remote_of(saved.inputs.value("params.versioning.remote"))
    address = remote or past.tags.get("dvc_remote")
    if configured := data.remote(name) if name else None:
        remotes.append(configured)
    elif address:
        remotes.append({"url": address})
    return remotes


def _fetch_champion(store: VersionStore, workspace: Workspace) -> None:
    frozen = rounds.read(workspace).champion
    if frozen is None:
        workspace.champion.mkdir()
        return
    version = store.version(frozen.version)
    if store.trust.known(version).digest != frozen.digest:
        raise BadModel(
            f"policy version {version.version} is not the champion that the round was compared with; set "
            "MLFLOW_TRACKING_URI to the registry that the round used"
        )
    store.fetch(version, workspace.champion)


def _fetch_bases(workspace: Workspace, target: Workspace, line: ModelLine) -> None:
    """Provide the base model of the round, and that of its champion, which is another one after `rounds rebase`."""
    base = rounds.inputs(target).base
    if base.digest != bases.SCRATCH:
        _fetch_base(workspace, target, line, base.digest, Path(base.name))
    if adapters.is_adapter(target.champion):
        digest = adapters.read(target.champion).base
        _fetch_base(workspace, target, line, digest, workspace.base(digest))


def _fetch_base(workspace: Workspace, target: Workspace, line: ModelLine, digest: str, named: Path) -> None:
    """Provide a base model: from the workspace, from the folder that the round named, or from the registry."""
    if target.base(digest).is_dir():
        return
    folder = next((path for path in (workspace.base(digest), named) if _holds(path, digest)), None)
    if folder:
        fetching.keep(target, folder)
    else:
        BaseVersions(workspace.root, line).fetch_base(digest, target)


def _holds(folder: Path, digest: str) -> bool:
    """Whether a folder has the base model with this digest. Reads it."""
    return folder.is_dir() and bases.digest(bases.measured(folder)) == digest


def _wanted(workspace: Workspace, recorded: Stages, steps: Sequence[str]) -> dict[str, str]:
    """Path → MD5 of the data from outside to fetch; for `evaluate`, also the votes and the data of the round before."""
    hashes = {entry["path"]: entry["md5"] for stage in recorded.values() for entry in _entries(stage)}
    folders = [workspace.feedback]
    if "evaluate" in steps:
        folders += [workspace.votes, workspace.previous]
    return {path: hashes[path] for path in map(workspace.name, folders)}


def _run(workspace: Workspace, steps: Sequence[str]) -> None:
    opened, data, show = rounds.read(workspace), DataGraph(workspace.root), SHOW.get()
    for name in steps:
        start, log = time.perf_counter(), StepLog([show(f"round {opened.number}, {name}", name)])
        launched.run(round_steps.find(name), opened, log)
        # `blame` estimates its duration from it
        note_time(opened, name, time.perf_counter() - start, log.learning_seconds)
        data.record(name)


def _outputs(workspace: Workspace, recorded: Stages, steps: Sequence[str]) -> list[ComparedOutput]:
    """The inputs and outputs of the steps, by the hashes that DVC recorded."""
    now = stages(workspace.recorded)
    outputs: dict[str, ComparedOutput] = {}
    for step in steps:
        before, after = ({entry["path"]: entry["md5"] for entry in _entries(lock[step])} for lock in (recorded, now))
        outputs |= {
            path: ComparedOutput(path, before.get(path, "missing"), after.get(path, "missing"))
            for path in before | after
        }
    return list(outputs.values())


def _weights(store: VersionStore, workspace: Workspace, versions: Sequence[ModelVersion]) -> list[ComparedOutput]:
    """The registered versions, by known digest, compared with the checkpoints. Round 0 registers its SFT model."""
    first = rounds.read(workspace).champion is None
    folders = {"policy": workspace.checkpoint("sft" if first else "policy"), "reward": workspace.checkpoint("reward")}
    return [
        ComparedOutput(
            f"{version.name}/{version.version}", store.trust.known(version).digest, digest(folders[version.name])
        )
        for version in versions
    ]


def _entries(stage: dict[str, Any]) -> list[dict[str, str]]:
    return [*stage.get("deps", []), *stage.get("outs", [])]
