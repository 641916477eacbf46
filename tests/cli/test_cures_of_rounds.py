"""The cures of errors around a round, typed as they are printed.

Whole rounds are run where the cure is one, once for all the messages that print it.
"""

import io
import json
import subprocess
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import torch
import yaml

from cli.display import watched
from cli.display.console import console
from core.files import read_json, write_json
from evaluation.guards import GuardFinding
from flows import round as flow
from tasks.registry import incidents
from tasks.registry.alias import AliasConflict, CoolingDown, Registry
from tasks.rounds import opening, running
from tasks.state import records
from tasks.state.lock import holding
from tasks.state.workspace import PROJECT, Workspace
from tests.commands import CommandResult, Rounds
from tests.cures import cures, words
from tests.profile import HOLD, TINY
from tests.tasks.registry.test_registry import with_champion_2
from tests.workspaces import moved, settle

pytestmark = pytest.mark.rounds

QUESTION = ("--prompt", "Where is my lamp?", "--answer", "On Monday.")


@pytest.fixture
def settled(continued: Workspace) -> Workspace:
    """Rounds 0 and 1 are finished; params.yaml has the knobs of the next round."""
    return settle(continued, *TINY, HOLD)


@pytest.fixture
def unfinished(settled: Workspace) -> Workspace:
    """Round 1 has only to be closed."""
    records.path(settled, 1).unlink()
    return settled


def typed(rounds: Rounds, failed: CommandResult, begins: str, **placeholders: str) -> CommandResult:
    """The result of the command that a failed one printed as its cure."""
    assert "Traceback" not in failed.err
    done = rounds(*words(failed.err + failed.out, begins, **placeholders)[1:])
    assert done.code == 0, done
    return done


def halve(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


@cures(
    "cli.show._record: rounds round",
    "tasks.state.round.inputs: rounds round",
    "tasks.analysis.explain.sample: rounds round",
    "tasks.analysis.explain._available: rounds round",
    "cli.init.init: rounds round -w …",
    "tasks.state.choosing.new: rounds round -w …",
    "tasks.state.choosing.current: rounds init …",
)
@pytest.mark.usefixtures("prefect")
def test_before_the_first_round(rounds: Rounds, tmp_path: Path) -> None:
    """One command cures them all: the first rounds of a workspace, whose name has to be quoted."""
    root = tmp_path / "it's new"
    made = typed(rounds, rounds("status", "-w", root), "rounds init")
    workspace = settle(Workspace(root), *TINY, HOLD)
    commands = [("show",), ("step", "verdict"), ("explain", "--sample", "0", "--version", "2")]
    failed = [rounds(*command, "-w", root) for command in commands[:2]]
    again = rounds("init", root)
    assert [result.code for result in (*failed, again)] == [2, 2, 2]
    cure = words(made.out, "rounds round")
    assert all(words(result.err, "rounds round") == cure for result in (*failed, again))
    result = rounds(*cure[1:])
    assert result.code == 0, result
    assert records.numbers(workspace) == [0, 1]
    for command in commands[:2]:
        assert rounds(*command, "-w", root).code == 0
    explained = rounds("explain", "--sample", 0, "--version", 2, "-w", root)
    assert explained.code == 0, explained


def table_text(workspace: Workspace) -> str:
    """What `rounds status --watch` draws."""
    file = io.StringIO()
    console(file=file, width=200).print(watched.table(workspace, datetime.now(UTC)))
    return file.getvalue()


@cures(
    "tasks.analysis.explain._prompt: rounds round",
    "cli.status._open_round: rounds round",
    "cli.display.watched.CONTINUE: rounds round",
)
@pytest.mark.usefixtures("prefect")
def test_prompts_that_a_round_is_about_to_write_again(rounds: Rounds, unfinished: Workspace) -> None:
    where = ("-w", unfinished.root)
    (unfinished.prompts / "holdout.arrow").unlink()
    failed = rounds("explain", "--sample", 2, *where)
    assert words(failed.err, "rounds round") == words(rounds("status", *where).out, "rounds round")
    assert "continue it with `rounds round" in table_text(unfinished)
    typed(rounds, failed, "rounds round")
    assert rounds("explain", "--sample", 2, *where).code == 0
    assert "open" not in rounds("status", *where).out


@cures("tasks.state.records.read: rounds round", "tasks.state.lock._acquire: rounds round --wait SECONDS")
@pytest.mark.usefixtures("prefect")
def test_a_damaged_record_is_written_anew_when_the_other_round_has_ended(rounds: Rounds, settled: Workspace) -> None:
    record = records.path(settled, 1)
    before = record.read_bytes()
    halve(record)
    failed = rounds("status", "-w", settled.root)
    assert (failed.code, str(record) in failed.err) == (2, True)
    record.unlink()
    with busy(settled):
        refused = rounds(*words(failed.err, "rounds round")[1:])
        assert refused.code == 2
        threading.Timer(1.0, BUSY.set).start()
        typed(rounds, refused, "rounds round --wait", SECONDS="60")
    assert read_json(record)["key"] == json.loads(before)["key"]


BUSY = threading.Event()


class busy:
    """Another thread holds the lock of the workspace until `BUSY` is set."""

    def __init__(self, workspace: Workspace) -> None:
        BUSY.clear()
        self._workspace, self._holds = workspace, threading.Event()
        self._thread = threading.Thread(target=self._hold)

    def _hold(self) -> None:
        with holding(self._workspace.lock, "round 2"):
            self._holds.set()
            BUSY.wait(60)

    def __enter__(self) -> None:
        self._thread.start()
        self._holds.wait(10)

    def __exit__(self, *_: object) -> None:
        BUSY.set()
        self._thread.join()


@cures("tasks.rounds.running.RunningRound._explained: rounds round --reopen")
@pytest.mark.usefixtures("prefect")
def test_inputs_that_are_frozen_are_corrected_and_the_round_is_reopened(rounds: Rounds, settled: Workspace) -> None:
    settle(settled, "curate.min_holdout=100000")
    failed = rounds("round", "--new", "-w", settled.root)
    assert (failed.code, "curate.min_holdout" in failed.err) == (2, True)
    settle(settled, "curate.min_holdout=5")
    typed(rounds, failed, "rounds round --reopen")
    assert records.numbers(settled) == [0, 1, 2]


@pytest.fixture
def opened(settled: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Round 2 is open. A round that is reopened ends right after its opening: what follows is tested elsewhere."""
    opening.start(settled, [])
    monkeypatch.setattr(flow, "improve", lambda _: records.read(settled, 1))
    return settled


def other_code(workspace: Workspace) -> None:
    write_json(workspace.opened, {**read_json(workspace.opened), "code": "0" * 16, "commit": "1234abcd"})


def damaged(workspace: Workspace) -> None:
    halve(workspace.round)


def changed(workspace: Workspace) -> None:
    workspace.round.write_text(workspace.round.read_text().replace("steps: 4", "steps: 40"))


@cures(
    "tasks.state.records.check_code: rounds round --reopen",
    "tasks.state.round._REOPEN: rounds round --reopen",
    "tasks.rounds.opening.resume: rounds round --reopen",
    "tasks.rounds.opening.resume: rounds round",
    "tasks.rounds.plan._continue: rounds round --reopen",
)
@pytest.mark.usefixtures("prefect")
@pytest.mark.parametrize("damage", [other_code, damaged, changed, None], ids=["code", "damaged", "changed", "knobs"])
def test_an_open_round_that_cannot_continue_is_reopened(
    rounds: Rounds, opened: Workspace, damage: Callable[[Workspace], None] | None
) -> None:
    where, overrides = ("-w", opened.root), ("-S", "policy.clip=0.1") if damage is None else ()
    first = opened.opened.stat().st_mtime_ns
    if damage:
        damage(opened)
    else:
        assert rounds(*words(rounds("plan", *where).out, "rounds round")[1:]).code == 0  # continues, and ends at once
    failed = rounds("round", *overrides, *where)
    assert failed.code == 2
    if damage is None:
        typed(rounds, failed, "rounds round")
    typed(rounds, failed, "rounds round --reopen")
    assert opened.opened.stat().st_mtime_ns != first  # also on a machine that does all of this within a second
    frozen = yaml.safe_load(opened.round.read_text())
    assert frozen["params"]["policy"]["clip"] == (0.1 if damage is None else 0.2)
    assert frozen["params"]["policy"]["steps"] == 4
    assert rounds("plan", *where).code == 0


@cures("tasks.state.round.checkout_hint: git checkout …", "tasks.state.records.check_code: rounds round")
def test_code_that_git_has_is_checked_out(rounds: Rounds, settled: Workspace, tmp_path: Path) -> None:
    if not (PROJECT / ".git").exists():
        pytest.skip("the code is not in a git repository")
    record = records.path(settled, 1)
    facts = read_json(record)
    write_json(record, {**facts, "opened": {**facts["opened"], "code": "0" * 16}})
    failed = rounds("step", "verdict", "-w", settled.root)
    assert failed.code == 2
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", "--shared", PROJECT, clone], check=True)
    subprocess.run(words(failed.err, "git checkout"), cwd=clone, check=True, capture_output=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=clone, check=True, capture_output=True, text=True).stdout
    assert head.strip() == facts["opened"]["commit"]
    assert words(failed.err, "rounds round")[:2] == ["rounds", "round"]
    assert rounds("plan", *words(failed.err, "rounds round")[2:]).out.startswith("Would open round 2.")


@cures("tasks.rounds.plan._planned: rounds round --new")
def test_a_plan_with_nothing_new(rounds: Rounds, finished: Workspace) -> None:
    settings = [word for knob in (*TINY, "verdict.gates=null") for word in ("-S", knob)]
    assert settings
    facts = yaml.safe_load(records.inputs(finished, 1))["params"]
    knobs = [word for name, value in facts.items() for word in ("-S", f"{name}={json.dumps(value)}")]
    planned = rounds("plan", "-w", finished.root, *knobs)
    typed_words = words(planned.out, "rounds round --new")
    assert rounds("plan", *typed_words[2:], *knobs).out.startswith("Would open round 2.")


@cures(
    "cli.params._under: rounds params",
    "cli.display.inspected._lengths: rounds params",
    "cli.rollback.rollback: rounds cooldown",
    "tasks.registry.incidents.close: rounds incident note … TEXT",
    "tasks.registry.alias.Registry._refuse_while_cooling: rounds promote … --reason …",
    "tasks.registry.alias.Registry.rollback: rounds status",
)
def test_commands_that_only_look_or_note(rounds: Rounds, workspace: Workspace, tmp_path: Path) -> None:
    where, registry = ("-w", workspace.root), with_champion_2(workspace.root)
    assert "policy.steps" in typed(rounds, rounds("params", "zzz", *where), "rounds params").out
    file = tmp_path / "votes.jsonl"
    file.write_text('{"prompt": "p", "chosen": "a", "rejected": "b"}\n')
    typed_words = words(rounds("feedback", "inspect", file).out, "rounds params")
    assert "model.max_answer_tokens" in rounds(*typed_words[1:], *where).out
    assert "Cooling down" in typed(rounds, rounds("rollback", "--reason", "rude", *where), "rounds cooldown").out
    with pytest.raises(CoolingDown) as cooling:
        registry.promote("3", "1", "better", "rounds", cooldown=86400)
    promoting = words(str(cooling.value), "rounds promote", dots="I read its answers")
    assert rounds(*promoting[1:], *where).code == 0
    assert registry.alias() == "3"
    with pytest.raises(AliasConflict) as conflict:
        registry.rollback(None, "rude", "watch", expect="2")
    looking = words(str(conflict.value), "rounds status")
    assert "policy version 3" in rounds(*looking[1:], *where).out
    number = incidents.begin(workspace.audit, "rude", "3", "ana").number
    rounds("incident", "close", number, "it was not", *where)
    typed(rounds, rounds("incident", "close", number, "again", *where), "rounds incident note", TEXT="still rude")
    assert "still rude" in rounds("incident", "show", number, *where).out


@cures("tasks.rounds.tidy.tidy: rounds params")
def test_a_params_file_that_cannot_be_reduced(rounds: Rounds, workspace: Workspace) -> None:
    workspace.params.write_text("policy: &own\n  steps: 10\nsft: {epochs: 3}\n")
    assert rounds("params", "--tidy", "-w", workspace.root).code == 0
    workspace.params.write_text("model: &m {width: 64}\nsft: {epochs: 4}\n")
    result = rounds("params", "--tidy", "-w", workspace.root)
    if result.code == 2:
        typed(rounds, result, "rounds params")


def guard_of(registry: Registry) -> str:
    from tasks.watch import guards

    champion = registry.champion()
    assert champion is not None
    breach = GuardFinding("harm", "hard", True, "three people were harmed", {})
    return guards._obstacle(Workspace(registry.root), registry, champion, [breach])


@cures(
    "tasks.watch.guards._obstacle: rounds rollback --reason …",
    "tasks.watch.guards._BY_HAND: rounds rollback --to VERSION --reason …",
)
def test_a_champion_that_no_guard_rolls_back(rounds: Rounds, workspace: Workspace) -> None:
    registry = with_champion_2(workspace.root)
    registry.promote("3", "2", "better", "rounds")
    registry.store.delete_model_version("policy", "2")
    gone = words(guard_of(registry), "rounds rollback", dots="it was rude", VERSION="1")
    assert rounds(*gone[1:], "-w", workspace.root).code == 0
    assert registry.alias() == "1"
    registry.promote("3", "1", "the alarm was false", "ana", kind="force")
    forced = words(guard_of(Registry(workspace.root)), "rounds rollback", dots="it was rude")
    assert rounds(*forced[1:], "-w", workspace.root).code == 0
    assert registry.alias() == "1"


@cures(
    "tasks.rounds.running._out_of_memory: rounds round", "tasks.rounds.running._out_of_memory: rounds round --reopen"
)
@pytest.mark.usefixtures("prefect")
def test_memory_that_is_used_up_names_the_knobs(
    rounds: Rounds, settled: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the policy step. The learner is the one that has no memory left; the step and the round are the real ones."""
    from models.algorithms.ppo import PPO

    def exhausted(*_: object, **__: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(PPO, "train", exhausted)
        failed = rounds("round", "--new", "-w", settled.root)
    assert failed.code == 2
    assert "round 2, step policy: the memory is used up" in failed.err
    assert "policy.minibatch" in failed.err
    assert "Traceback" not in failed.err
    with monkeypatch.context() as patch:
        patch.setattr(flow, "improve", lambda _: records.read(settled, 1))
        settle(settled, "policy.minibatch=4")
        typed(rounds, failed, "rounds round --reopen")
        typed(rounds, failed, "rounds round")
    assert yaml.safe_load(settled.round.read_text())["params"]["policy"]["minibatch"] == 4


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("shapes cannot be multiplied"), False),
    ],
)
def test_the_ways_to_have_no_memory_left(error: Exception, expected: bool) -> None:
    assert running._is_out_of_memory(error) is expected


@cures("cli.round._record_without_server: unset PREFECT_API_URL", "cli.round._record_without_server: rounds round")
@pytest.mark.usefixtures("prefect")
def test_a_server_that_goes_away(rounds: Rounds, unfinished: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    from httpx import ConnectError

    def lost(*_: object, **__: object) -> None:
        raise ConnectError("connection refused")

    with monkeypatch.context() as patch:
        patch.setattr(flow, "rlhf_round", lost)
        failed = rounds("round", "-w", unfinished.root)
        patch.setattr("tasks.tools.prefect_api.configured", lambda: True)
        configured = rounds("round", "-w", unfinished.root)
    assert "unset PREFECT_API_URL" in configured.err
    typed(rounds, failed, "rounds round")
    assert records.numbers(unfinished) == [0, 1]


@cures(
    "tasks.analysis.drift._reference: rounds round",
    "tasks.analysis.drift._reference: rounds replay … --into DIR --judge",
)
@pytest.mark.usefixtures("prefect")
def test_a_drift_report_before_the_answers(rounds: Rounds, unfinished: Workspace, tmp_path: Path) -> None:
    from core.errors import BadWorkspace
    from tasks.analysis.drift import _reference
    from tasks.state import round as rounds_

    (unfinished.samples / "pairs.jsonl").unlink()
    with pytest.raises(BadWorkspace) as failure:
        _reference(rounds_.read(unfinished))
    assert rounds(*words(str(failure.value), "rounds round")[1:], "-w", unfinished.root).code == 0
    assert _reference(rounds_.read(unfinished)) is not None
    replayed = tmp_path / "replayed"
    again = words(str(failure.value), "rounds replay", DIR=str(replayed))
    assert rounds(*again[1:], "-w", unfinished.root).code == 0
    assert _reference(rounds_.read(Workspace(replayed))) is not None


@cures(
    "tasks.analysis.training_data._cure: rounds replay … --into DIR",
    "tasks.analysis.training_data._cure: --workspace DIR",
)
def test_feedback_that_the_workspace_no_longer_has(rounds: Rounds, continued: Workspace, tmp_path: Path) -> None:
    where, part = ("-w", continued.root), next(continued.feedback.glob("part-00001*.parquet"))
    part.rename(tmp_path / part.name)
    shown = rounds("explain", *QUESTION, *where)
    assert "No training preferences are shown" in shown.out
    cure = words(shown.out, "rounds replay", DIR=str(tmp_path / "replayed"))
    done = rounds(*cure[1:])
    assert done.code == 0, done
    option = words(shown.out, "--workspace", DIR=str(tmp_path / "replayed"))
    again = rounds("blame", "1", *option)
    assert "was trained on" not in again.err


@cures("tasks.history.gc._registered: set MLFLOW_TRACKING_URI")
def test_collecting_garbage_with_another_registry(
    rounds: Rounds, finished: Workspace, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{workspace.root}/mlflow.db")
    failed = rounds("gc", "-w", finished.root)
    assert (failed.code, "set MLFLOW_TRACKING_URI to the store in which it was registered" in failed.err) == (2, True)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{finished.root}/mlflow.db")
    assert rounds("gc", "-w", finished.root).code == 0


@cures("tasks.history.replay._fetch_champion: set MLFLOW_TRACKING_URI")
def test_replaying_with_another_registry(
    rounds: Rounds, continued: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version of that number has other bytes there, and no log is at hand that knows better."""
    other = moved(continued, tmp_path / "other")
    store = Registry(other.root).store
    store.set_model_version_tag("policy", "1", "digest", "0" * 64)
    log = store.get_experiment_by_name("audit")
    assert log is not None
    store.delete_experiment(log.experiment_id)
    command = ("replay", "1", "--into", tmp_path / "replayed", "-w", tmp_path / "nowhere")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{other.root}/mlflow.db")
    failed = rounds(*command)
    assert (
        failed.code,
        "set MLFLOW_TRACKING_URI to the registry that the round used" in " ".join(failed.err.split()),
    ) == (2, True), failed
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{continued.root}/mlflow.db")
    assert rounds(*command[:-1], continued.root).code == 0


@cures("models.tokenizer.check: rounds round --workspace DIR -S model.base=…", "models.tokenizer._cure: set HF_HOME")
def test_another_base_model_gets_a_workspace_of_its_own(
    rounds: Rounds, settled: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models import tokenizer
    from models.policy import ModelSettings, build

    base = tmp_path / "base"
    shape = ModelSettings(width=16, layers=1, heads=2, feed_forward=32, vocabulary=300)
    build(shape, ["hello"]).save(base)
    failed = rounds("round", "--new", "-S", f"model.base={base}", "-w", settled.root)
    assert failed.code == 2
    new = Workspace(tmp_path / "new")
    rounds("init", new.root)
    settle(new, *TINY)
    cure = words(" ".join(failed.err.split()), "rounds round --workspace", DIR=str(new.root))
    planned = rounds("plan", *cure[2:])
    assert planned.code == 0, planned
    monkeypatch.setattr(tokenizer, "HF_HUB_CACHE", "/proc/none/hub")
    assert "set HF_HOME to a folder that can be written" in tokenizer._cure("some/model")
    monkeypatch.setattr(tokenizer, "HF_HUB_CACHE", str(tmp_path / "hub"))
    assert "HF_HOME" not in tokenizer._cure("some/model")
