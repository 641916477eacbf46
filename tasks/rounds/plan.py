"""What `rounds round` would do now, and why: answer, continue or open; and which steps would run. Writes nothing."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from core.errors import BadParams, BadWorkspace, RoundsError
from core.nested import changed, flat
from core.stored import Json
from core.yaml_text import parse_yaml
from feedback import store
from tasks.people.pending import pending
from tasks.registry import consistency
from tasks.registry.alias import Registry
from tasks.registry.consistency import Disagreement
from tasks.rounds import base, continuity, fit, foresight, imported_model, opening
from tasks.rounds.continuity import Continued
from tasks.rounds.fit import Fit
from tasks.rounds.params import RoundSettings
from tasks.rounds.request import answered
from tasks.state import feedback_database, intake, records
from tasks.state import graph as graphs
from tasks.state import round as rounds
from tasks.state.inputs import Champion, Inputs
from tasks.state.lock import holder
from tasks.state.records import RoundRecord
from tasks.state.steps import BOOTSTRAP, STEPS
from tasks.state.workspace import Workspace
from tasks.tools.versioning import DataGraph, Stages, stages

Does = Literal["run", "skip", "depends"]


class PlannedStep(NamedTuple):
    """What a step would do. `depends`: it runs if the output of an earlier step changes."""

    step: str
    does: Does
    because: tuple[str, ...]


class InputsSummary(NamedTuple):
    """What a round would read, as text for people."""

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
    reads: InputsSummary | None = None
    """None if no step would run; `steps` is empty then."""
    steps: tuple[PlannedStep, ...] = ()
    learns: tuple[str, ...] = ()
    """What a round that would be opened learns from the feedback at hand, and what it does not and why."""
    warnings: tuple[Disagreement, ...] = ()
    """Differences between audit log, records and registry that do not stop a round; `because` has the errors."""
    fit: Fit | None = None
    """Memory and disk that a round that would be opened needs; None if the base model is not here to be read."""

    def to_json(self) -> Json:
        """As plain values."""
        return {
            "would": self.would,
            "round": self.round,
            "because": list(self.because),
            "learns": list(self.learns),
            "warnings": [str(difference) for difference in self.warnings],
            "reads": self.reads._asdict() if self.reads else {},
            "steps": [step._asdict() for step in self.steps],
            "memory": self.fit.to_json() if self.fit else {},
        }


def plan(workspace: Workspace, overrides: Sequence[str], new: bool = False) -> Plan:
    """What `rounds round` would do now; with `new`, what `rounds round --new` would do.

    Raises:
        BadParams: a knob does not exist, its value is invalid, or the round would not continue the champion.
        BadFeedback: a source does not exist, or a file of an evaluation cannot be used.
        BadWorkspace: a remote is not configured, or dvc.yaml was edited.
    """
    if busy := holder(workspace.lock):
        return _refused(records.coming(workspace), f"{busy} is running in {workspace.root}; wait until it has finished")
    registry = Registry(workspace.root)
    if copied := registry.copied():
        return _refused(records.coming(workspace), copied)
    differences = consistency.inspect(workspace, registry)
    if why := _unresumable(workspace, overrides) or "; ".join(consistency.errors(differences)):
        planned = _refused(records.coming(workspace), why)
    else:
        planned = _planned(workspace, overrides, new, registry)
    return planned._replace(warnings=tuple(consistency.warnings(differences)))


def _planned(workspace: Workspace, overrides: Sequence[str], new: bool, registry: Registry) -> Plan:
    if records.unfinished(workspace):
        return _continue(workspace)
    params, champion = opening.effective(workspace, overrides), registry.expected_champion()
    last = records.last(workspace)
    unchanged = answered(workspace, overrides) is not None
    if unchanged and last is not None and not new:
        unchanged_parts = "knobs, code and sources are those of the last round, and the inbox is empty"
        why = [f"{unchanged_parts}; `rounds round --new` opens one anyway"]
        return Plan("answer", last.number, tuple(why))
    opening.check(workspace, params)
    number = opening.next_number(workspace, registry)
    claim, started = feedback_database.claimable(workspace, number), base.foreseen(workspace, params.model.base)
    continued = None
    if champion and (made := continuity.of_version(registry, champion)):
        continuity.check(workspace, params.model, started, champion, made)
        continued = continuity.continued(workspace, params.model.base, champion, made)
        started = imported_model.continued(workspace, started, champion, made)
    inputs = opening.frozen(workspace, params, number, champion, claim, started)
    why = ["--new was given"] if unchanged else _reasons(workspace, inputs, last)
    learns = foresight.foresee(workspace, params).lines()
    planned = _described(workspace, "open", inputs, why)._replace(learns=tuple(learns))
    return _measured(workspace, params, continued, planned)


def _measured(workspace: Workspace, params: RoundSettings, champion: Continued | None, planned: Plan) -> Plan:
    """With the memory and the disk that the round needs; refused if there is not enough."""
    try:
        located = base.in_params(workspace, params)
        estimated = fit.foreseen(workspace, located, champion)
        planned = planned._replace(fit=estimated)
        fit.check(located, estimated)
    except BadParams as refusal:
        return planned._replace(would="refuse", because=(str(refusal),))
    except (RoundsError, OSError, ValueError):  # the base is not here, or is refused for another reason at opening
        return planned
    return planned


def planned_steps(
    graph: Stages, recorded: Stages, inputs: Inputs, changed_paths: Mapping[str, str]
) -> list[PlannedStep]:
    """What each step would do, and why.

    Args:
        graph: the stages of dvc.yaml, in order.
        recorded: the stages of dvc.lock.
        inputs: the inputs that the round would freeze, or has frozen.
        changed_paths: path → why its content is not as recorded: a new champion, or a missing file.
    """
    planned: list[PlannedStep] = []
    writers = {_path(out): step for step, stage in graph.items() for out in stage["outs"]}
    for step, stage in graph.items():
        paths = [*stage["deps"], *map(_path, stage["outs"])]
        reasons = [changed_paths[path] for path in paths if path in changed_paths]
        if step not in recorded:
            reasons = ["it has not run in this workspace yet"]
        else:
            reasons = _changes(stage, recorded[step], inputs) + reasons
        upstream = dict.fromkeys(writers[path] for path in stage["deps"] if path in writers)
        uncertain = [name for name in upstream if _does(planned, name) != "skip"]
        if reasons:
            planned.append(PlannedStep(step, "run", tuple(dict.fromkeys(reasons))))
        elif uncertain:
            why = f"runs if the output of {' or '.join(uncertain)} changes"
            planned.append(PlannedStep(step, "depends", (why,)))
        else:
            planned.append(PlannedStep(step, "skip", ("its knobs and data are unchanged",)))
    return planned


def _unresumable(workspace: Workspace, overrides: Sequence[str]) -> str | None:
    """Why the open round cannot be continued; None if it can, or no round is open.

    Checked before the registry, as `rounds round` does: files that somebody edited give another key than the one that
    the audit log has for the versions of this round.
    """
    if records.unfinished(workspace):
        try:
            opening.resume(workspace, overrides)
        except BadWorkspace as refusal:
            return str(refusal)
    return None


def _continue(workspace: Workspace) -> Plan:
    inputs = rounds.inputs(workspace)
    why = ["it was opened and has no record yet; `rounds round --reopen` discards it and opens it again"]
    if status := pending(workspace):
        why.append(status.summary)
    return _described(workspace, "continue", inputs, why)


def _refused(number: int, why: str) -> Plan:
    return Plan("refuse", number, (why,))


def _described(workspace: Workspace, would: Literal["continue", "open"], inputs: Inputs, why: Sequence[str]) -> Plan:
    graph = parse_yaml(graphs.current(workspace))["stages"]
    names = BOOTSTRAP if inputs.number == 0 else STEPS
    recorded = stages(workspace.recorded)
    changed_paths = _changed_paths(workspace, graph, inputs, would)
    steps = planned_steps({name: graph[name] for name in names}, recorded, inputs, changed_paths)
    checked = _checked(workspace.root, steps)
    return Plan(would, inputs.number, tuple(why), _reads(workspace, inputs), tuple(checked))


def _checked(root: Path, steps: Sequence[PlannedStep]) -> list[PlannedStep]:
    """Change `skip` to `run` for steps whose data on disk, according to DVC, has changed since it was recorded."""
    data = DataGraph(root)
    edited = "its data on disk has changed since it was recorded"
    return [step._replace(does="run", because=(edited,)) if _stale(data, step) else step for step in steps]


def _stale(data: DataGraph, step: PlannedStep) -> bool:
    return step.does == "skip" and not data.done(step.step)


def _changed_paths(workspace: Workspace, graph: Stages, inputs: Inputs, would: str) -> dict[str, str]:
    paths = [_path(out) for stage in graph.values() for out in stage["outs"]]
    missing = {path: f"{path} is missing" for path in paths if not (workspace.root / path).exists()}
    if would == "continue" or not workspace.round.exists():
        return missing
    before, now = rounds.read(workspace).champion, inputs.champion
    if (before and before.digest) == (now and now.digest):
        return missing
    return missing | {workspace.name(workspace.champion): f"the champion is {_version(now)}, was {_version(before)}"}


def _changes(stage: Mapping[str, Any], recorded: Mapping[str, Any], inputs: Inputs) -> list[str]:
    """The knobs of a stage whose values have changed since it was recorded, one line each."""
    # both map the path of the one file of parameters, round.yaml: dvc.yaml to names, dvc.lock to values
    names = [name for entry in stage["params"] for listed in entry.values() for name in listed]
    [before] = recorded["params"].values()
    return _change_lines(changed(flat(before), flat({name: inputs.value(name) for name in names})))


def _reasons(workspace: Workspace, inputs: Inputs, last: RoundRecord | None) -> list[str]:
    if last is None:
        return ["no round is finished in this workspace"]
    why = _change_lines(changed(flat(last.inputs.params), flat(inputs.params)))
    code = rounds.code_digest()
    if last.opened.code != code:
        why.append(f"the code has changed: {last.opened.code} → {code}")
    if new := len(inputs.forgotten) - len(last.inputs.forgotten):
        why.insert(0, f"annotators were forgotten since then: {new}")
    if inputs.inbox or inputs.claim:
        why.append(f"{intake.new_records(workspace)} new records wait")
    return why or ["the content of a source has changed"]


def _reads(workspace: Workspace, inputs: Inputs) -> InputsSummary:
    return InputsSummary(
        champion=_version(inputs.champion),
        base=inputs.base.name,
        feedback=f"{len(store.ids(workspace.feedback)):,} stored records",
        inbox=f"{intake.new_records(workspace):,} new records in {_waiting_in(inputs)}",
        sources=tuple(source["use"] for source in inputs.value("params.ingest.sources")),
        annotator=inputs.use("vote", "annotator") or "nobody",
    )


def _waiting_in(inputs: Inputs) -> str:
    return f"{len(inputs.inbox)} files" + (" and the feedback database" if inputs.claim else "")


def _change_lines(changes: Mapping[str, Sequence[Any]]) -> list[str]:
    return [f"{name}: {_written(old)} → {_written(new)}" for name, (old, new) in changes.items()]


def _written(value: Any) -> str:
    """A value as it is written in `-S KEY=VALUE`."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _version(champion: Champion | None) -> str:
    return f"policy/{champion.version}" if champion else "none"


def _does(planned: Sequence[PlannedStep], step: str) -> Does:
    return next((entry.does for entry in planned if entry.step == step), "skip")


def _path(out: str | Mapping[str, Any]) -> str:
    """An output is a path, or a path with settings."""
    return out if isinstance(out, str) else next(iter(out))
