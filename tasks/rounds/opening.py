"""Opening a round: its inputs are frozen before anything runs, so that nothing a step reads can change under it."""

import hashlib
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from core.errors import BadParams, BadWorkspace, Damaged
from core.files import digest, recover, recover_all, replacing, write_json, write_text
from core.plugins import chosen
from core.settings import override, read
from feedback import store
from feedback.schema import FeedbackEvent, Prompt
from feedback.sources import Intake
from feedback.sources.jsonl import JSONL
from feedback.sources.people import People
from models.policy import SCRATCH, check_base, check_turns
from tasks.registry import audit, reference
from tasks.registry.alias import ModelVersion, Registry
from tasks.rounds.params import RoundSettings
from tasks.rounds.request import Request, ask, parsed
from tasks.rounds.running import Execute, RunningRound
from tasks.state import graph, records, reported
from tasks.state import round as rounds
from tasks.state.inputs import Base, Champion, Inputs
from tasks.state.opened import Opened
from tasks.state.round import Round
from tasks.state.workspace import PROJECT, Workspace, champion_metrics
from tasks.steps import run
from tasks.tools import tracking
from tasks.tools.versioning import DataGraph

LOOKED_AT = 1000
"""Records of a source whose prompts are shown to a base model's chat template before a round opens."""


def start(workspace: Workspace, overrides: Sequence[str], execute: Execute = run) -> RunningRound:
    """Continue the unfinished round, or open a new one.

    Raises:
        NoTracking: MLflow does not answer.
    """
    _tidy(workspace)
    with tracking.answering(workspace.root):
        registry = Registry(workspace.root)
        registry.reconcile()
        if records.unfinished(workspace):
            return RunningRound(resume(workspace, overrides), registry, execute)
        return RunningRound(open_round(workspace, overrides, registry), registry, execute)


def _tidy(workspace: Workspace) -> None:
    """Clear what a killed round left half written, but for what steps write anew: each clears its own."""
    for folder in (workspace.rounds, workspace.metrics, workspace.training, workspace.feedback, workspace.votes):
        recover_all(folder)
    for path in (workspace.graph, workspace.round, workspace.opened, workspace.champion, workspace.previous):
        recover(path)
    audit.repair(workspace.audit)
    DataGraph(workspace.root).repair()


def effective(workspace: Workspace, overrides: Sequence[str]) -> RoundSettings:
    """Every knob of the next round: params.yaml, the overrides on top, defaults below.

    Raises:
        BadParams: a knob that does not exist, or a value that it does not take.
    """
    return parsed(workspace, override(read(workspace.params), overrides), overrides)


def resume(workspace: Workspace, overrides: Sequence[str]) -> Round:
    """The unfinished round, to be continued.

    Raises:
        BadWorkspace: the code or the parameters are not those that the round was opened with.
        Damaged: the frozen inputs are not those that were written.
    """
    opened = rounds.read(workspace)
    cure = "finish it with `rounds round`, or drop what it did so far with `rounds round --reopen`"
    beside = rounds.circumstances(workspace)
    if beside.code != rounds.code_digest():
        back = rounds.checkout_hint(beside.commit, beside.dirty)
        raise BadWorkspace(
            f"round {opened.number} is open, and was opened by other code; {back}. Finish the round with that code, or "
            "drop what it did so far and open it anew with this code: `rounds round --reopen`"
        )
    if beside.inputs != digest(workspace.round):
        raise Damaged(
            f"{workspace.round} is not what was frozen when round {opened.number} was opened; restore it and {cure}"
        )
    if overrides and effective(workspace, overrides).plain() != opened.values:
        raise BadWorkspace(f"round {opened.number} is open with other parameters; {cure}")
    return opened


def open_round(workspace: Workspace, overrides: Sequence[str], registry: Registry) -> Round:
    """Freeze the inputs of a new round: parameters, champion, base model, feedback, inbox.

    round.yaml is written last: killed before it, nothing was opened.

    Raises:
        BadParams: see `effective`.
        BadFeedback: a source that is not there, or a file of an evaluation that cannot be used.
        BadModel: a base model that cannot be used, or that does not share the champion's tokenizer.
        BadWorkspace: a remote that is not configured, or a dvc.yaml that was edited.
    """
    request = ask(workspace, overrides)
    params = request.params
    check(workspace, params)
    graph.renew(workspace)
    champion = registry.champion()
    number = next_number(workspace, registry)
    _fetch_champion(workspace, registry, champion)
    check_base(params.model, workspace.champion)
    if params.model.base != SCRATCH:  # which has no template
        check_turns(params.model, _examples(workspace, params))
    _keep_previous(workspace, registry, champion)
    inputs = frozen(workspace, params, number, champion)
    shutil.rmtree(workspace.training, ignore_errors=True)
    text = inputs.to_yaml()
    _circumstances(request, text).save(workspace.opened)
    write_text(workspace.round, text)
    return rounds.read(workspace)


def check(workspace: Workspace, params: RoundSettings) -> None:
    """Find out whether what the parameters name is there.

    Raises:
        BadFeedback: a source that is not there, or a file of an evaluation that cannot be used.
        BadParams: more votes are asked of people than there are pairs.
        BadWorkspace: a remote that is not configured or does not answer, or no git to commit to.
    """
    people = params.vote.annotator
    if isinstance(people, People) and people.votes > params.sample.prompts:
        raise BadParams(
            f"vote.annotator.votes={people.votes} asks for more votes than the sample.prompts={params.sample.prompts} "
            "pairs that there are to vote on; ask for fewer, or sample more"
        )
    for source in params.ingest.sources:
        source.check()
    for evaluation in chosen(params.evaluate.evals):
        evaluation.check()
    DataGraph(workspace.root).check(params.versioning)


def _examples(workspace: Workspace, params: RoundSettings) -> dict[str, list[dict[str, str]]]:
    """Where a record is from → the turns of its prompt: one of each order of roles that the feedback has.

    Of what is stored all is looked at, of each file of the inbox and each source the first `LOOKED_AT` records.
    """
    read = [source for source in params.ingest.sources if not source.labels]
    inbox = (JSONL(path=file) for file in sorted(workspace.inbox.glob("*.jsonl")))
    coming = (islice(source.read(Intake(0, 0)), LOOKED_AT) for source in [*read, *inbox])
    new = (event for events in coming for event in events if isinstance(event, FeedbackEvent))
    stored = store.groups(workspace.feedback)
    found = {f"{workspace.feedback}, prompt {one.prompt_id} {_shown(one.prompt)}": one.prompt for one in stored}
    found |= {f"{event.source} {event.source_id} {_shown(event.prompt)}": event.prompt for event in new}
    orders = {tuple(turn.role for turn in prompt): where for where, prompt in reversed(found.items())}
    return {where: [turn.model_dump() for turn in found[where]] for where in orders.values()}


def _shown(prompt: Prompt) -> str:
    return f"({prompt[-1].content[:60]!r})"


def drop(workspace: Workspace) -> None:
    """Forget that the unfinished round was opened; its inputs are frozen anew when it is opened again.

    A round.yaml that cannot be read counts as unfinished. The run of the round ends as killed.
    """
    with suppress(Damaged):
        if not records.unfinished(workspace):
            return
    if key := reported.owner(workspace.metrics):
        tracking.abandon(workspace.root, key)
    if finished := records.numbers(workspace):
        write_text(workspace.round, records.inputs(workspace, finished[-1]))
    else:
        workspace.round.unlink()
    workspace.opened.unlink(missing_ok=True)


def frozen(workspace: Workspace, params: RoundSettings, number: int, champion: ModelVersion | None) -> Inputs:
    """The inputs of a round that is opened now."""
    return Inputs(
        number=number,
        parent=records.key(workspace, number - 1),
        seed=rounds.seeded(params.seed, "round", number),
        salt=_salt(workspace, params),
        champion=Champion(version=champion.version, digest=champion.digest) if champion else None,
        base=Base(name=params.model.base, digest=base_digest(params.model.base)),
        code=rounds.code_digest(),
        feedback=store.digest(workspace.feedback),
        inbox=tuple(sorted(file.name for file in workspace.inbox.glob("*.jsonl"))),
        params=params.plain(),
    )


def next_number(workspace: Workspace, registry: Registry) -> int:
    """One more than the last round that this workspace or the registry knows of."""
    known = [*records.numbers(workspace), *(version.round for version in registry.versions("policy"))]
    return max(known, default=-1) + 1


def _salt(workspace: Workspace, params: RoundSettings) -> str:
    """Frozen from the first round on: another salt would move held-out prompts into training."""
    return rounds.read(workspace).salt if workspace.round.exists() else f"{rounds.seeded(params.seed, 'split'):016x}"


def _fetch_champion(workspace: Workspace, registry: Registry, champion: ModelVersion | None) -> None:
    if champion:
        registry.fetch(champion, workspace.champion)
        return
    with replacing(workspace.champion) as draft:
        draft.mkdir()


def _keep_previous(workspace: Workspace, registry: Registry, champion: ModelVersion | None) -> None:
    """Set aside what this round is compared with: for drift and the gates, and the champion's numbers."""
    with replacing(workspace.previous) as draft:
        draft.mkdir()
        if samples := reference.last_samples(workspace):
            shutil.copytree(samples, draft / workspace.samples.name)
        reference.save_reference(workspace, registry, champion, draft)
        numbers: Mapping[str, float] = records.metrics(workspace, champion.round) if champion else {}
        write_json(champion_metrics(draft), numbers)


def base_digest(base: str) -> str:
    """What round.yaml says of a base model: SHA-256 of a local folder, else its name."""
    folder = Path(base)
    return digest(folder) if folder.is_dir() else base


def _circumstances(request: Request, inputs: str) -> Opened:
    """What is recorded beside the inputs and does not change results, except for the code."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    code, frozen = rounds.code_digest(), hashlib.sha256(inputs.encode()).hexdigest()
    commit, dirty = _git("rev-parse", "HEAD"), bool(_git("status", "--porcelain", "--untracked-files=no"))
    return Opened(
        request=request.fingerprint,
        written=request.written,
        code=code,
        inputs=frozen,
        at=now,
        commit=commit,
        dirty=dirty,
    )


def _git(*words: str) -> str | None:
    """What git says of the code; None where there is no git."""
    done = subprocess.run(["git", *words], cwd=PROJECT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None
