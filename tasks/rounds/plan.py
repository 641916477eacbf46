"""What a round would do now, and why: answer, continue or open; which steps would run. Nothing is written."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml

from core.errors import BadWorkspace
from core.nested import changed, flat
from core.stored import Json
from feedback import store
from tasks.people.pending import pending
from tasks.registry.alias import Registry
from tasks.rounds import opening
from tasks.rounds.request import answered
from tasks.state import graph as graphs
from tasks.state import intake, records
from tasks.state import round as rounds
from tasks.state.inputs import Champion, Inputs
from tasks.state.lock import holder
from tasks.state.record import RoundRecord
from tasks.state.steps import BOOTSTRAP, STEPS
from tasks.state.workspace import Workspace
from tasks.tools.versioning import DataGraph, Stages, stages

INPUTS = "data/round.yaml"
Does = Literal["run", "skip", "depends"]


class PlannedStep(NamedTuple):
    """What a step would do. `depends`: it runs where a step before it writes something else than last time."""

    step: str
    does: Does
    because: tuple[str, ...]


class Reads(NamedTuple):
    """What a round would read, in words."""

    champion: str
    base: str
    feedback: str
    inbox: str
    sources: tuple[str, ...]
    annotator: str


class Plan(NamedTuple):
    """What `rounds round` would do now."""

    would: Literal["answer", "continue", "open", "refuse"]
    round: int
    because: tuple[str, ...]
    reads: Reads | None = None
    """None where it would run no step, like `steps`."""
    steps: tuple[PlannedStep, ...] = ()

    def to_json(self) -> Json:
        """As plain values."""
        return {
            "would": self.would,
            "round": self.round,
            "because": list(self.because),
            "reads": self.reads._asdict() if self.reads else {},
            "steps": [step._asdict() for step in self.steps],
        }


def plan(workspace: Workspace, overrides: Sequence[str], new: bool = False) -> Plan:
    """What `rounds round` (with `--new`) would do now.

    Raises:
        BadParams: a knob that does not exist, or a value that it does not take.
        BadFeedback: a source that is not there, or a file of an evaluation that cannot be used.
        BadWorkspace: a remote that is not configured, or a dvc.yaml that was edited.
    """
    if busy := holder(workspace.lock):
        return _refused(records.coming(workspace), f"{busy} is running in {workspace.root}; wait for it")
    registry = Registry(workspace.root)
    if records.unfinished(workspace):
        return _continue(workspace, overrides, registry)
    params, champion = opening.effective(workspace, overrides), registry.champion()
    last = records.last(workspace)
    unchanged = answered(workspace, overrides) is not None
    if unchanged and last is not None and not new:
        why = ["knobs, code and sources are those of the last round, and the inbox is empty; `--new` opens one anyway"]
        return Plan("answer", last.number, tuple(why))
    opening.check(workspace, params)
    number = opening.next_number(workspace, registry)
    inputs = opening.frozen(workspace, params, number, champion)
    why = ["a new round is asked for"] if unchanged else _reasons(workspace, inputs, last)
    return _described(workspace, "open", inputs, why)


def foresee(graph: Stages, recorded: Stages, inputs: Inputs, moved: Mapping[str, str]) -> list[PlannedStep]:
    """Which steps would run.

    Args:
        graph: the stages of dvc.yaml, in their order.
        recorded: the stages of dvc.lock.
        inputs: what the round would freeze, or has frozen.
        moved: path → why it is not what was recorded: what opening sets aside, and what is missing on disk.
    """
    found: list[PlannedStep] = []
    writers = {_path(out): step for step, stage in graph.items() for out in stage["outs"]}
    for step, stage in graph.items():
        paths = [*stage["deps"], *map(_path, stage["outs"])]
        certain = [moved[path] for path in paths if path in moved]
        if step not in recorded:
            certain = ["no round of this workspace has run it"]
        else:
            certain = _changes(stage, recorded[step], inputs) + certain
        upstream = dict.fromkeys(writers[path] for path in stage["deps"] if path in writers)
        waits = [name for name in upstream if _does(found, name) != "skip"]
        if certain:
            found.append(PlannedStep(step, "run", tuple(dict.fromkeys(certain))))
        elif waits:
            why = f"runs if {' or '.join(waits)} writes something else than last time"
            found.append(PlannedStep(step, "depends", (why,)))
        else:
            found.append(PlannedStep(step, "skip", ("neither its knobs nor its data have changed",)))
    return found


def _continue(workspace: Workspace, overrides: Sequence[str], registry: Registry) -> Plan:
    inputs = rounds.inputs(workspace)
    try:
        opening.resume(workspace, overrides)
    except BadWorkspace as refusal:
        return _refused(inputs.number, str(refusal))
    why = ["it was opened and has no record yet; `--reopen` would open it anew"]
    if waits := pending(workspace):
        why.append(waits.summary)
    return _described(workspace, "continue", inputs, why)


def _refused(number: int, why: str) -> Plan:
    return Plan("refuse", number, (why,))


def _described(workspace: Workspace, would: Literal["continue", "open"], inputs: Inputs, why: Sequence[str]) -> Plan:
    graph = yaml.safe_load(graphs.current(workspace))["stages"]
    names = BOOTSTRAP if inputs.number == 0 else STEPS
    recorded = stages(workspace.recorded)
    moved = _moved(workspace, graph, inputs, would)
    steps = foresee({name: graph[name] for name in names}, recorded, inputs, moved)
    checked = _checked(workspace.root, steps)
    return Plan(would, inputs.number, tuple(why), _reads(workspace, inputs), tuple(checked))


def _checked(root: Path, steps: Sequence[PlannedStep]) -> list[PlannedStep]:
    """Ask DVC of each step that would be skipped whether its data are still those that were recorded."""
    data = DataGraph(root)
    edited = "its data on disk are not those that were recorded"
    return [step._replace(does="run", because=(edited,)) if _stale(data, step) else step for step in steps]


def _stale(data: DataGraph, step: PlannedStep) -> bool:
    return step.does == "skip" and not data.done(step.step)


def _moved(workspace: Workspace, graph: Stages, inputs: Inputs, would: str) -> dict[str, str]:
    paths = [_path(out) for stage in graph.values() for out in stage["outs"]]
    missing = {path: f"{path} is not there" for path in paths if not (workspace.root / path).exists()}
    if would == "continue" or not workspace.round.exists():
        return missing
    before, now = rounds.read(workspace).champion, inputs.champion
    if (before and before.digest) == (now and now.digest):
        return missing
    return missing | {"data/champion": f"the champion is {_version(now)}, was {_version(before)}"}


def _changes(stage: Mapping[str, Any], recorded: Mapping[str, Any], inputs: Inputs) -> list[str]:
    """The knobs of a stage whose values are not those it was recorded with."""
    names = [name for entry in stage["params"] for name in entry[INPUTS]]
    now = flat({name: inputs.value(name) for name in names})
    return _told(changed(flat(recorded["params"][INPUTS]), now))


def _reasons(workspace: Workspace, inputs: Inputs, last: RoundRecord | None) -> list[str]:
    if last is None:
        return ["no round is finished in this workspace"]
    why = _told(changed(flat(last.inputs.params), flat(inputs.params)))
    code = rounds.code_digest()
    if last.opened.code != code:
        why.append(f"the code has changed: {last.opened.code} → {code}")
    if inputs.inbox:
        why.append(f"{intake.new_records(workspace)} new records wait in the inbox")
    return why or ["a source has something new to read"]


def _reads(workspace: Workspace, inputs: Inputs) -> Reads:
    return Reads(
        champion=_version(inputs.champion),
        base=inputs.base.name,
        feedback=f"{len(store.ids(workspace.feedback)):,} stored records",
        inbox=f"{intake.new_records(workspace):,} new records in {len(inputs.inbox)} files",
        sources=tuple(source["use"] for source in inputs.value("params.ingest.sources")),
        annotator=inputs.use("vote", "annotator") or "nobody",
    )


def _told(changes: Mapping[str, Sequence[Any]]) -> list[str]:
    return [f"{name}: {old} → {new}" for name, (old, new) in changes.items()]


def _version(champion: Champion | None) -> str:
    return f"policy/{champion.version}" if champion else "none"


def _does(found: Sequence[PlannedStep], step: str) -> Does:
    return next((one.does for one in found if one.step == step), "skip")


def _path(out: str | Mapping[str, Any]) -> str:
    """An output is a path, or a path with settings."""
    return out if isinstance(out, str) else next(iter(out))
