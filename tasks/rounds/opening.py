"""Opening a round: its inputs are frozen before any step runs, so that they cannot change while the round runs."""

import hashlib
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from core.errors import BadWorkspace, Damaged
from core.files import digest, recover, recover_all, replacing, write_json, write_text
from core.plugins import chosen
from core.settings import override, read
from feedback import store
from models import rendezvous
from models.policy import ModelSettings, check_adapter, check_base
from tasks.registry import audit, consistency, reference, signing
from tasks.registry.alias import ModelVersion, Registry
from tasks.registry.ledger import DROP, ledger
from tasks.rounds import base, continuity, fit, foresight, imported_model, placed, placement
from tasks.rounds.continuity import Continued
from tasks.rounds.params import RoundSettings
from tasks.rounds.placed import run
from tasks.rounds.request import Request, parsed, read_request
from tasks.rounds.running import Execute, RunningRound
from tasks.rounds.smaller import launches
from tasks.state import feedback_database, graph, identity, inbox, metric_points, records, sampler, tombstones
from tasks.state import round as rounds
from tasks.state.inputs import Base, Champion, Inputs
from tasks.state.opening_facts import OpeningFacts
from tasks.state.round import Round
from tasks.state.workspace import PROJECT, Workspace, champion_metrics
from tasks.tools import git, lines, traces, tracking
from tasks.tools.versioning import DataGraph


def start(
    workspace: Workspace, overrides: Sequence[str], execute: Execute = run, imported: str | None = None
) -> RunningRound:
    """Continue the unfinished round, or open a new one.

    A request that cannot be used is refused before the registry is touched.

    Args:
        workspace: the workspace.
        overrides: knobs of a new round.
        execute: runs the steps.
        imported: for round 0, what its SFT model is; see `tasks.state.inputs.Base`.

    Raises:
        NoTracking: MLflow does not answer.
        BadWorkspace: the workspace cannot continue its line of models; see `tasks.tools.lines.settle`.
        RoundsError: see `resume` and `open_round`.
    """
    _recover(workspace)
    if records.unfinished(workspace):
        opened = resume(workspace, overrides)
        with _reconciled(workspace) as registry:
            if opened.base:
                imported_model.provide(workspace, registry, opened.base)
            return RunningRound(opened, registry, execute)
    request = checked(workspace, overrides)
    with _reconciled(workspace) as registry:
        return RunningRound(_freeze(workspace, request, registry, imported), registry, execute)


@contextmanager
def _reconciled(workspace: Workspace) -> Iterator[Registry]:
    with tracking.answering(workspace.root):
        registry = Registry(workspace.root, lines.settle(tracking.client(workspace.root), workspace.root))
        registry.reconcile()
        consistency.refuse(workspace, registry)
        yield registry


def _recover(workspace: Workspace) -> None:
    """Complete or remove files that a killed round left half written. Outputs of steps are cleared by their steps."""
    for folder in (workspace.rounds, workspace.metrics, workspace.training, workspace.feedback, workspace.votes):
        recover_all(folder)
    for path in (workspace.graph, workspace.round, workspace.opened, workspace.champion, workspace.previous):
        recover(path)
    audit.repair(workspace.audit)
    DataGraph(workspace.root).repair()


def effective(workspace: Workspace, overrides: Sequence[str]) -> RoundSettings:
    """The effective parameters of the next round: overrides take precedence over params.yaml, and that over defaults.

    Raises:
        BadParams: a knob does not exist, or its value is invalid.
    """
    return parsed(workspace, override(read(workspace.params), overrides), overrides)


def resume(workspace: Workspace, overrides: Sequence[str]) -> Round:
    """Read the unfinished round, to continue it.

    Raises:
        BadWorkspace: the round was opened with other code or other parameters.
        Damaged: the frozen inputs were changed after opening.
    """
    opened = rounds.read(workspace)
    cure = "finish it with `rounds round` and no overrides, or discard its results with `rounds round --reopen`"
    records.check_code(workspace)
    if rounds.circumstances(workspace).inputs != digest(workspace.round):
        raise Damaged(
            f"{workspace.round} was changed after round {opened.number} was opened; restore the file and {cure}"
        )
    if overrides and not _has(opened, effective(workspace, overrides)):
        raise BadWorkspace(f"round {opened.number} is open with other parameters; {cure}")
    return opened


def _has(opened: Round, params: RoundSettings) -> bool:
    """Whether a round was opened with these parameters. `auto` accepts either type: the one that it stands for on this
    machine need not be the one that it stood for where the round was opened. What was looked up then counts as set."""
    if params.model.dtype == "auto":
        params = params.in_type(opened.knobs("model", ModelSettings).dtype)
    params = params.with_reward(params.policy.reward.as_frozen(opened.values["policy"].get("reward") or {}))
    return params.plain() == opened.values


def open_round(workspace: Workspace, overrides: Sequence[str], registry: Registry) -> Round:
    """Freeze the inputs of a new round: parameters, champion, base model, feedback, inbox.

    round.yaml is written last: after a kill before that, no round is open.

    Raises:
        BadParams: see `effective`; or the round does not fit into memory or on the disk, or would not continue the
            champion (`continuity.check`).
        BadFeedback: a source does not exist, or a file of an evaluation cannot be used.
        BadModel: the base model cannot be used, or its tokenizer is not the champion's.
        BadWorkspace: a remote is not configured, or dvc.yaml was edited.
    """
    return _freeze(workspace, checked(workspace, overrides), registry)


def checked(workspace: Workspace, overrides: Sequence[str]) -> Request:
    """The request for a new round, with everything checked that can be checked without the registry.

    Raises:
        RoundsError: see `open_round`.
    """
    request = read_request(workspace, overrides)
    check(workspace, request.params)
    return request


def check_first(workspace: Workspace, overrides: Sequence[str]) -> None:
    """The same for a workspace that may not exist yet: a new one will have the project's params.yaml and .dvc/config.

    Raises:
        RoundsError: see `open_round`.
    """
    origin = workspace if workspace.graph.exists() else Workspace(PROJECT)
    params = read_request(origin, overrides).params
    _check_inputs(workspace, params)
    DataGraph(origin.root).check(params.versioning)
    if params.versioning.commit:
        git.check(workspace.root)
    _check_model(workspace, params)
    foresight.check(workspace, params)


def _check_model(workspace: Workspace, params: RoundSettings, champion: Continued | None = None) -> None:
    """Check the base model, and that the round fits into memory and on the disk."""
    located = base.in_params(workspace, params)
    check_base(located.model, workspace.champion)
    fit.check(located, fit.foreseen(workspace, located, champion))


def _freeze(workspace: Workspace, request: Request, registry: Registry, imported: str | None = None) -> Round:
    params = request.params
    identity.made(workspace)
    graph.renew(workspace)
    champion = registry.expected_champion()
    number = next_number(workspace, registry)
    _fetch_champion(workspace, registry, champion)
    if champion:  # the digest of what was fetched, whatever the tag says
        champion = champion._replace(digest=registry.trust.known(champion).digest)
    made = continuity.of_files(workspace.champion, champion.tags) if champion else None
    continued = continuity.continued(workspace, params.model.base, champion, made) if champion and made else None
    _check_model(workspace, params, continued)
    _keep_previous(workspace, registry, champion)
    started = base.settled(workspace, params.model.base).model_copy(update={"imported": imported})
    if champion and made:
        base.provide_for(workspace, registry.line, workspace.champion)
        continuity.check(workspace, params.model, started, champion, made)
        started = imported_model.continued(workspace, started, champion, made)
        imported_model.provide(workspace, registry, started)
    inputs = frozen(workspace, params, number, champion, feedback_database.claim(workspace, number), started)
    shutil.rmtree(workspace.training, ignore_errors=True)
    text = inputs.to_yaml()
    _circumstances(request, text).save(workspace.opened)
    write_text(workspace.round, text)
    return rounds.read(workspace)


def check(workspace: Workspace, params: RoundSettings) -> None:
    """Check that everything the parameters refer to exists.

    Raises:
        BadFeedback: a source does not exist, a file of an evaluation cannot be used, or nothing can be learned from the
            feedback.
        BadWorkspace: a remote is not configured or does not answer, or there is no git repository to commit to.
    """
    _check_inputs(workspace, params)
    foresight.check(workspace, params)
    DataGraph(workspace.root).check(params.versioning)
    if params.versioning.commit:
        git.check(workspace.root)


def _check_inputs(workspace: Workspace, params: RoundSettings) -> None:
    check_adapter(params.model)
    params.policy.reward.check()
    sampler.check(params.sampler, params.model.adapter is not None, sampler.PYTHON)
    placement.check(workspace, params.steps, params.versioning)
    for step, launch in launches(params).items():
        if getattr(params.steps, step).work_pool is None:  # else the worker's machine is the one that others meet
            rendezvous.check(launch.nodes)
    signing.check(workspace, params.audit)
    for source in traces.connected(params.ingest.sources, workspace.root):
        source.check()
    for evaluation in chosen(params.evaluate.evals):
        evaluation.check()


def drop(workspace: Workspace) -> None:
    """Discard the unfinished round, so that the next one freezes its inputs again under the same number.

    A round.yaml that cannot be read counts as an unfinished round. The MLflow run of the round ends as killed.

    Raises:
        NoTracking: MLflow does not answer.
        BadWorkspace: the workspace is a copy; see `tasks.tools.lines.settle`.
    """
    with suppress(Damaged):
        if not records.unfinished(workspace):
            return
        placed.clear(rounds.read(workspace))
    if key := metric_points.owner(workspace.metrics):
        # a copied workspace must not end the run of the original
        line = lines.settle(tracking.client(workspace.root), workspace.root)
        tracking.abandon(workspace.root, line, key)
        _log_dropped(workspace, key)
    if finished := records.numbers(workspace):
        write_text(workspace.round, records.inputs(workspace, finished[-1]))
    else:
        workspace.round.unlink()
    workspace.opened.unlink(missing_ok=True)


def _log_dropped(workspace: Workspace, key: str) -> None:
    """Log that a round which has registered versions was dropped: they keep no record in this workspace."""
    facts = ledger(audit.read(workspace.audit))
    registered = [version.round for version in facts.versions.values() if version.key == key]
    if registered and key not in facts.dropped:
        audit.append(workspace.audit, DROP, "rounds", round=registered[0], key=key)


def frozen(
    workspace: Workspace,
    params: RoundSettings,
    number: int,
    champion: ModelVersion | None,
    claim: str | None,
    started: Base,
) -> Inputs:
    """The inputs of a round that would be opened now, with the digest of the single events that it claims, and the base
    model that it starts from."""
    return Inputs(
        number=number,
        parent=records.key(workspace, number - 1),
        seed=rounds.seeded(params.seed, "round", number),
        salt=identity.known_salt(workspace) or "random",
        champion=Champion(version=champion.version, digest=champion.digest) if champion else None,
        base=started,
        code=rounds.code_digest(),
        feedback=store.digest(workspace.feedback),
        inbox=tuple(file.name for file in inbox.files(workspace)),
        claim=claim,
        forgotten=tombstones.forgotten(workspace),
        params=params.frozen(),
    )


def next_number(workspace: Workspace, registry: Registry) -> int:
    """One more than the last round in this workspace or in the registry."""
    known = [*records.numbers(workspace), *(version.round for version in registry.versions("policy"))]
    return max(known, default=-1) + 1


def _fetch_champion(workspace: Workspace, registry: Registry, champion: ModelVersion | None) -> None:
    if champion:
        registry.fetch(champion, workspace.champion)
        return
    with replacing(workspace.champion) as draft:
        draft.mkdir()


def _keep_previous(workspace: Workspace, registry: Registry, champion: ModelVersion | None) -> None:
    """Copy what this round is compared with: last samples, drift reference and the champion's metrics."""
    with replacing(workspace.previous) as draft:
        draft.mkdir()
        if samples := reference.last_samples(workspace):
            shutil.copytree(samples, draft / workspace.samples.name)
        reference.save_reference(workspace, registry, champion, draft)
        numbers: Mapping[str, float] = records.metrics(workspace, champion.round) if champion else {}
        write_json(champion_metrics(draft), numbers)


def _circumstances(request: Request, inputs: str) -> OpeningFacts:
    """When and from what the round was opened; only the code among these changes results."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    code, frozen = rounds.code_digest(), hashlib.sha256(inputs.encode()).hexdigest()
    commit, dirty = _git("rev-parse", "HEAD"), bool(_git("status", "--porcelain", "--untracked-files=no"))
    return OpeningFacts(
        request=request.fingerprint,
        written=request.written,
        code=code,
        inputs=frozen,
        at=now,
        commit=commit,
        dirty=dirty,
    )


def _git(*arguments: str) -> str | None:
    """The output of a git command on the code; None if it fails, as without a repository."""
    process = subprocess.run(["git", *arguments], cwd=PROJECT, capture_output=True, text=True, check=False)
    return process.stdout.strip() if process.returncode == 0 else None
