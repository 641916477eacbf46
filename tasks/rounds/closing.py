"""Closing a round: push the data, register the candidate, promote it if the verdict is `promote`, write the record."""

import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from core.files import digest, read_json
from evaluation.verdict import Verdict
from feedback import store
from tasks.pages import cards, plots
from tasks.people import approval, ballots
from tasks.registry import promotion
from tasks.registry.archive import REWARD_SERVER, SAMPLER_TAG
from tasks.registry.bases import DIGEST_TAG, BaseVersions
from tasks.registry.versions import ModelVersion
from tasks.rounds import continuity, imported_model, placed
from tasks.rounds.running import RunningRound
from tasks.state import bases, records, usage
from tasks.state import cost as costs
from tasks.state import round as rounds
from tasks.state.cost import RoundCost
from tasks.state.line import ModelName
from tasks.state.records import RecordedVersion, RoundRecord
from tasks.state.reports import EvaluateReport, Example, Numbers, metrics, samplers, times
from tasks.state.steps import BOOTSTRAP, MEASURING
from tasks.state.workspace import Workspace
from tasks.steps import drift
from tasks.tools import git
from tasks.tools.versioning import VersioningSettings

TEMPLATE = "chat_template.jinja"
"""The file name that transformers uses for a tokenizer's chat template; without it, prompts get the plain format."""


def bootstrap(running: RunningRound) -> RoundRecord:
    """Register the SFT model, or the imported model, as version 1 and make it champion: there is no earlier champion.

    Raises:
        RoundsError: data, run or registry could not be written; says what continues the round.
    """
    with running.explaining("closing"):
        running.show("closing")
        numbers = metrics(running.round, BOOTSTRAP)
        _make_safe(running, numbers)
        _keep_base(running)
        version = _register(running, "policy", "sft", numbers, {"bootstrap": "true"})
        _keep_cards(running, [version], numbers, None)
        reason = imported_model.reason(running.round.base) or "the first model of this workspace"
        running.registry.promote(version.version, None, reason, "rounds", kind="bootstrap")
        return _finish(running, [version], Verdict(bootstrap=True), numbers)


def close(running: RunningRound) -> RoundRecord:
    """Register the candidate whatever the verdict is, and promote it if the verdict is `promote`.

    Raises:
        RoundsError: data, run or registry could not be written; says what continues the round.
    """
    with running.explaining("closing"):
        running.show("closing")
        numbers = metrics(running.round, MEASURING)
        gates = Verdict.from_json(read_json(running.round.workspace.report("verdict")))
        verdict = approval.applied(running.round, running.key, gates)
        _make_safe(running, numbers)
        _keep_base(running)
        reward = _register(running, "reward", "reward", numbers, {})
        tags = {"reward_version": reward.version, "verdict": verdict.result}
        version = _register(running, "policy", "policy", numbers, tags)
        verdict = promotion.carry_out(running.round, running.registry, version, verdict)
        _keep_cards(running, [version, reward], numbers, verdict)
        return _finish(running, [version, reward], verdict, numbers)


def _make_safe(running: RunningRound, numbers: Mapping[str, float]) -> None:
    """Push the data if a remote is set, then save hashes, reports and pages to the run. Must precede registration."""
    workspace = running.round.workspace
    knobs = running.round.knobs("versioning", VersioningSettings)
    running.deliver()
    if running.round.champion:  # round 0 has no data/previous
        previous = workspace.name(workspace.previous)
        running.run.dataset(previous, running.data.keep(previous), "opening")
    if remote := running.data.remote_of(knobs.remote):
        running.data.push(remote)
        running.run.tags({"dvc_remote": running.data.address(remote)})
    for step, outputs in running.data.hashes().items():
        for path, md5 in outputs.items():
            running.run.dataset(path, md5, step)
    for file in (workspace.round, workspace.opened, workspace.recorded, *sorted(workspace.reports.glob("*.json"))):
        running.run.artifact(file, "round")
    if page := drift.page(running.round, numbers):
        running.run.artifact(page, "drift")
    for name, figure in plots.figures(running.round):
        running.run.figure(figure, name)
    if running.round.number:  # round 0 has no probes
        running.run.tables(read_json(workspace.report("probes")), "probes")
    running.run.metrics(numbers, running.round.number)


def _register(
    running: RunningRound, name: ModelName, checkpoint: str, numbers: Mapping[str, float], tags: Mapping[str, str]
) -> ModelVersion:
    workspace = running.round.workspace
    folder = workspace.checkpoint(checkpoint)
    facts = {
        **_origin(running),
        **_digests(workspace, folder),
        **_base_digest(running),
        **imported_model.tags(running.round.base),
        **continuity.tags(folder),
        **tags,
    }
    return running.registry.register(name, folder, running.run.run_id, facts, numbers)


def _origin(running: RunningRound) -> dict[str, str]:
    return {"round": str(running.round.number), "round_key": running.key, "line": running.registry.line.name}


def _keep_base(running: RunningRound) -> None:
    """Register the base model, once per line and before a version names it, so that other machines can fetch it."""
    workspace, named = running.round.workspace, _base_digest(running)
    if named and (record := bases.find(workspace, named[DIGEST_TAG])):
        registered = BaseVersions(workspace.root, running.registry.line)
        registered.keep(record, running.run.run_id, _origin(running))


def _base_digest(running: RunningRound) -> dict[str, str]:
    """The tag that names the base model by its digest; none for a new model."""
    base = running.round.base
    return {DIGEST_TAG: base.digest} if base and base.digest != bases.SCRATCH else {}


def _keep_cards(
    running: RunningRound, versions: Sequence[ModelVersion], numbers: Numbers, verdict: Verdict | None
) -> None:
    workspace, hashes = running.round.workspace, running.data.hashes()
    cards.write(workspace, hashes, running.run, running.registry, versions, numbers, verdict, _cost(running))


def _cost(running: RunningRound) -> RoundCost:
    return costs.priced(usage.read(running.round.workspace), running.prices)


def _digests(workspace: Workspace, model: Path) -> dict[str, str]:
    """SHA-256 of the chat template in the model's folder, and of the dvc.lock that was saved to the round's run."""
    template = model / TEMPLATE
    return {
        "prompt_template": digest(template) if template.exists() else "none",
        "data_lock": digest(workspace.recorded),
    }


def _finish(running: RunningRound, versions: Sequence[ModelVersion], verdict: Verdict, numbers: Numbers) -> RoundRecord:
    workspace, round = running.round.workspace, running.round
    version, cost = versions[0], _cost(running)
    record = RoundRecord(
        number=round.number,
        key=running.key,
        parent=round.parent,
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        opened=rounds.circumstances(workspace),
        experiment=running.run.experiment,
        run_id=running.run.run_id,
        version=version.version,
        verdict=verdict,
        batch=ballots.pairs_id(workspace) if round.number else None,
        new_feedback=store.count(workspace.feedback, round.number),
        metrics=numbers,
        times=times(running.round),
        examples=_examples(running),
        inputs=rounds.inputs(workspace),
        registered=tuple(
            RecordedVersion(
                model=registered.name,
                version=registered.version,
                digest=running.registry.trust.known(registered).digest,
            )
            for registered in versions
        ),
        cost=cost,
    )
    running.run.metrics(costs.numbers(cost, numbers), round.number)
    running.registry.send()
    sampled = {SAMPLER_TAG: ", ".join(names)} if (names := samplers(round)) else {}
    scored = {REWARD_SERVER: server} if (server := record.inputs.reward_server()) else {}
    running.run.tags({"verdict": verdict.result, "version": version.version, **sampled, **scored})
    running.run.finish("FINISHED")
    _empty_inbox(workspace, round.inbox)
    if round.knobs("versioning", VersioningSettings).commit:
        git.commit(workspace.root, f"Round {round.number}: {verdict.result}")
    placed.clear(round)
    records.write(workspace, record)  # last: until the record exists, a restarted round closes again
    return records.read(workspace, round.number)


def _empty_inbox(workspace: Workspace, names: Sequence[str]) -> None:
    """Move the files that the round took in out of the inbox; files moved before a kill are skipped."""
    for name in names:
        workspace.taken.mkdir(exist_ok=True)
        if (workspace.inbox / name).exists():
            shutil.move(workspace.inbox / name, workspace.taken / name)


def _examples(running: RunningRound) -> tuple[Example, ...]:
    path = running.round.workspace.report("evaluate")
    if running.round.number == 0 or not path.exists():
        return ()
    return EvaluateReport.load(path).examples
