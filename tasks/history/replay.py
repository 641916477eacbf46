"""A finished round, run again from what its MLflow run and the DVC remote hold: the same bytes, or what differs.

What came from outside (`collect` may ask sources for prompts, `ingest` reads them) is fetched by hash. Everything that
is learned from it is computed again, in a folder of its own; neither MLflow nor the registry is written to.
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
from tasks import steps as round_steps
from tasks.registry.archive import Archive, PastRound, SavedFiles
from tasks.registry.versions import ModelVersion, VersionStore
from tasks.rounds import opening
from tasks.rounds.running import SHOW
from tasks.state import round as rounds
from tasks.state.reports import note_time
from tasks.state.steplog import StepLog
from tasks.state.workspace import Workspace, at
from tasks.tools.versioning import DataGraph, Stages, stages

FETCHED = ("data/answers", "data/feedback")
"""What came from outside."""

LEARNING = ("curate", "sft", "reward", "policy")
JUDGING = ("sample", "evaluate", "drift", "verdict")


class ComparedOutput(NamedTuple):
    """Something that the round made, then and now."""

    what: str
    then: str
    now: str

    @property
    def identical(self) -> bool:
        """True where not a bit differs."""
        return self.then == self.now


class Replay(NamedTuple):
    """What became of a replay."""

    past: PastRound
    place: Workspace
    compared: tuple[ComparedOutput, ...]

    @property
    def differing(self) -> list[ComparedOutput]:
        """What is not the same; empty where the round was reproduced."""
        return [one for one in self.compared if not one.identical]


def replay(workspace: Workspace, asked: str, into: Path, remote: str | None, judge: bool) -> Replay:
    """Run a finished round again.

    Args:
        workspace: where MLflow (unless `MLFLOW_TRACKING_URI` names a server) and perhaps a DVC cache are; may be empty.
        asked: number, key or run of the round.
        into: an empty or missing folder, which becomes a workspace.
        remote: name or address of a DVC remote; by default the one that the round was pushed to.
        judge: also answer, evaluate, compare and decide again, on the votes that were cast.

    Raises:
        NotFound: no such round, or its saved files are gone.
        BadWorkspace: the code is not the round's, the folder is not empty, or data cannot be fetched.
        BadModel: the champion or the base model of the round is not there any more.
    """
    past = Archive(workspace.root).finished(asked)
    _check_code(past)
    if into.exists() and not (into.is_dir() and not any(into.iterdir())):
        raise BadWorkspace(f"{into} is not empty; name a new folder for the replay")
    catalogue = VersionStore(workspace.root)
    with _all_or_nothing(into):
        with Archive(workspace.root).saved(past) as saved:
            place = _rebuilt(at(into), past, saved)
            then = saved.stages
            where = _places(workspace, past, saved, remote)
        _fetch_champion(catalogue, place)
        _check_base(place)
        steps = [step for step in (*LEARNING, *(JUDGING if judge else ())) if step in then]
        DataGraph(place.root).fetch(_wanted(then, steps), where)
    _run(place, steps)
    versions = [one for name in ("policy", "reward") for one in catalogue.versions(name) if one.run_id == past.run_id]
    return Replay(past, place, (*_outputs(place, then, steps), *_weights(place, versions)))


def _check_code(past: PastRound) -> None:
    code, commit = past.tags.get("code"), past.tags.get("git_commit", "none")
    if code == rounds.code_digest():
        return
    cure = rounds.checkout_hint(None if commit == "none" else commit, past.tags.get("git_dirty") == "true")
    raise BadWorkspace(f"{past.name} was run by other code (digest {code}, here {rounds.code_digest()}); {cure}")


@contextmanager
def _all_or_nothing(into: Path) -> Iterator[None]:
    """Fill a folder; where something is missing, empty it again, so that the same command can be given once cured."""
    try:
        yield
    except Exception:
        for path in into.glob("*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        raise


def _rebuilt(workspace: Workspace, past: PastRound, saved: SavedFiles) -> Workspace:
    """The workspace as opening left it, but for the bytes that are fetched later."""
    # collect is not run again: the answers that were labelled are fetched, and its report is the one of the round
    for file in (workspace.round, workspace.opened, workspace.recorded, workspace.report("collect")):
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(saved.folder / file.name, file)
    write_text(workspace.params, yaml.safe_dump(dict(saved.inputs.params), sort_keys=False, allow_unicode=True))
    if rounds.key(workspace, str(past.tags.get("code"))) != past.key:
        raise BadWorkspace(
            f"{past.name}: the round.yaml in its run is not the one that gave it the key {past.key}; somebody "
            "edited the run: restore its files in MLflow"
        )
    return workspace


def _places(workspace: Workspace, past: PastRound, saved: SavedFiles, remote: str | None) -> list[dict[str, str]]:
    """Where the data may be: the cache of this workspace, then the remote."""
    here = DataGraph(workspace.root)
    found = [{"url": str(here.cache)}] if here.cache.exists() else []
    name = remote or here.remote_of(saved.inputs.value("params.versioning.remote"))
    address = remote or past.tags.get("dvc_remote")
    if configured := here.remote(name) if name else None:
        found.append(configured)
    elif address:
        found.append({"url": address})
    return found


def _fetch_champion(catalogue: VersionStore, workspace: Workspace) -> None:
    frozen = rounds.read(workspace).champion
    if frozen is None:
        workspace.champion.mkdir()
        return
    version = catalogue.version(frozen.version)
    if version.digest != frozen.digest:
        raise BadModel(
            f"policy version {version.version} is not the champion that the round had to beat; set MLFLOW_TRACKING_URI "
            "to the registry that the round was run with"
        )
    catalogue.fetch(version, workspace.champion)


def _check_base(workspace: Workspace) -> None:
    base = rounds.inputs(workspace).base
    if opening.base_digest(base.name) != base.digest:
        raise BadModel(
            f"the base model {base.name} is not the one of the round (SHA-256 {base.digest[:12]}…); put that one "
            "back at the same path"
        )


def _wanted(then: Stages, steps: Sequence[str]) -> dict[str, str]:
    """Path → MD5 of all that is fetched; to judge again, also the votes and what the round before left."""
    recorded = {entry["path"]: entry["md5"] for stage in then.values() for entry in _entries(stage)}
    paths = [*FETCHED, *(("data/votes", "data/previous") if "evaluate" in steps else ())]
    return {path: recorded[path] for path in paths}


def _run(workspace: Workspace, steps: Sequence[str]) -> None:
    opened, data, show = rounds.read(workspace), DataGraph(workspace.root), SHOW.get()
    for name in steps:
        start, log = time.perf_counter(), StepLog([show(name)])
        round_steps.run(round_steps.find(name), opened, log)
        note_time(opened, name, time.perf_counter() - start, log.learning_seconds)  # `blame` foretells its own from it
        data.record(name)


def _outputs(workspace: Workspace, then: Stages, steps: Sequence[str]) -> list[ComparedOutput]:
    """Inputs and outputs of the steps, by the hashes that DVC recorded."""
    now = stages(workspace.recorded)
    found: dict[str, ComparedOutput] = {}
    for step in steps:
        before, after = ({entry["path"]: entry["md5"] for entry in _entries(lock[step])} for lock in (then, now))
        found |= {
            path: ComparedOutput(path, before.get(path, "nothing"), after.get(path, "nothing"))
            for path in before | after
        }
    return list(found.values())


def _weights(workspace: Workspace, versions: Sequence[ModelVersion]) -> list[ComparedOutput]:
    """The registered versions against the checkpoints. Round 0 registers its SFT model."""
    first = rounds.read(workspace).champion is None
    folders = {"policy": workspace.checkpoint("sft" if first else "policy"), "reward": workspace.checkpoint("reward")}
    return [ComparedOutput(f"{one.name}/{one.version}", one.digest, digest(folders[one.name])) for one in versions]


def _entries(stage: dict[str, Any]) -> list[dict[str, str]]:
    return [*stage.get("deps", []), *stage.get("outs", [])]
