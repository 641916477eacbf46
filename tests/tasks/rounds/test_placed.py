"""A step that a worker runs in an empty workspace does what it does here; lost workers, damaged and foreign outputs."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest

from core.errors import BadFeedback, BadWorkspace, StepFailed
from core.files import digest, read_json
from tasks.rounds import attempts, launched, placed, worker_step
from tasks.rounds.attempts import Attempt, Beat, HandedFiles, StepResult
from tasks.state import identity
from tasks.state import round as rounds
from tasks.state.round import Round
from tasks.state.usage import StepUsage
from tasks.state.workspace import Workspace
from tasks.steps.policy import policy
from tasks.tools.handover import HandedFile, Handover, NoHandover
from tasks.tools.prefect_api import NoPrefect
from tasks.tools.work_pools import RunState
from tests.tasks.rounds.handed import Died, Silent, Workers, furnished
from tests.tasks.rounds.handed import placed as run_placed
from tests.tasks.steps.hand_written import Logged, write_prompts


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> tuple[dict[str, str], Logged]:
    """Digests of what the step writes in the process of the round, and what it reports."""
    round, log = furnished(tmp_path_factory.mktemp("here"), request.getfixturevalue("models")), Logged()
    launched.run(policy, round, log)
    return written(round), log


def written(round: Round) -> dict[str, str]:
    values = read_json(round.workspace.report("policy"))["metrics"]
    return {"policy": digest(round.workspace.checkpoint("policy")), "report": json.dumps(values, sort_keys=True)}


@pytest.fixture
def round(tmp_path: Path, models: Path) -> Round:
    """A round whose step `policy` a worker runs."""
    return furnished(tmp_path / "coordinator", models, f"file://{tmp_path / 'handover'}")


def files(round: Round) -> Handover:
    """The workspace's part of the handover."""
    return Handover(round.values["versioning"]["handover"], identity.made(round.workspace).id)


def test_it_writes_the_same_bytes_and_reports_the_same(round: Round, here: tuple[dict[str, str], Logged]) -> None:
    log = Logged()
    run_placed(round, Workers(), log)
    assert written(round) == here[0]
    timeless = [{name: value for name, value in each.metrics.items() if "time/" not in name} for each in (log, here[1])]
    assert timeless[0] == timeless[1]
    assert log.elsewhere is not None
    assert log.elsewhere.trained > log.elsewhere.sampled > 0
    assert log.learning_seconds > 0


def killed_at(step: int, death: type[BaseException]) -> Callable[[str, str, str], None]:
    """A worker that is killed when the step reports so far, after it has stored its checkpoint."""

    def worker(url: str, workspace: str, name: str) -> None:
        attempt = Attempt(Handover(url, workspace), name)

        class Mortal(worker_step.WorkerStep):
            def _note(self, metrics: Mapping[str, float], at: int, total: int | None = None) -> None:
                super()._note(metrics, at, total)
                self._store_checkpoint()
                self._tell()
                if at == step:
                    raise death

            @contextmanager
            def _beside(self, act: Callable[[], None], rarely: float = 0.0) -> Iterator[None]:
                """The test stores by itself."""
                yield

        folder = Path(url.removeprefix("file://")).parent / f"worker-{attempt.id}"
        folder.mkdir()
        Mortal(attempt, attempt.manifest(), Workspace(folder)).run()

    return worker


@pytest.mark.parametrize("death", [Died, Silent])
def test_a_lost_worker_s_step_continues_elsewhere_from_its_checkpoint(
    death: type[BaseException],
    round: Round,
    here: tuple[dict[str, str], Logged],
) -> None:
    workers, log = Workers(killed_at(1, death)), Logged()
    started: list[int] = []
    log.add(lambda metrics, step, total=None: started.append(step))
    run_placed(round, workers, log)
    assert written(round) == here[0]
    # the second worker began with the iteration after the checkpoint: it did not train the first one again
    assert started == [0, 1, 1, 2]
    assert [reason.partition(" gave ")[2] for reason in workers.cancelled] == (
        ["no sign of life for 120 s"] if death is Silent else []
    )


def test_a_coordinator_that_was_killed_takes_over_what_was_done_meanwhile(
    round: Round, here: tuple[dict[str, str], Logged]
) -> None:
    class Killed(BaseException):
        pass

    def worker(url: str, workspace: str, name: str) -> None:
        worker_step.work(url, workspace, name)
        raise Killed

    with pytest.raises(Killed):
        run_placed(round, Workers(worker), Logged())
    assert not round.workspace.report("policy").exists()
    workers, log = Workers(), Logged()
    workers.states[current(round).name] = RunState("COMPLETED")  # nothing is started again
    run_placed(round, workers, log)
    assert written(round) == here[0]
    assert log.elsewhere is not None
    assert log.elsewhere.trained > 0  # nobody had counted it


def current(round: Round) -> Attempt:
    found = attempts.latest(files(round), rounds.key(round.workspace, rounds.code_digest()), "policy")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("kind", "looks"),
    [("RUNNING", 5), ("PENDING", 41)],  # of half a minute each: 120 s, and 20 min until its process runs
)
def test_a_worker_that_died_before_its_first_sign_of_life_is_lost(
    kind: str, looks: int, round: Round, here: tuple[dict[str, str], Logged]
) -> None:
    def dead(url: str, workspace: str, name: str) -> None:
        raise Silent

    class Counted(Workers):
        looked: ClassVar[list[str]] = []

        def state(self, run: str) -> RunState:
            found = super().state(run)
            if not self.cancelled:
                self.looked.append(run)
            return RunState(kind) if found.running else found

    Counted.looked.clear()
    workers = Counted(dead)
    run_placed(round, workers, Logged())
    assert written(round) == here[0]
    assert (workers.cancelled, len(workers.looked)) == (["the worker gave no sign of life for 120 s"], looks + 1)


def test_a_run_that_no_worker_takes_is_waited_for(
    round: Round, here: tuple[dict[str, str], Logged], caplog: pytest.LogCaptureFixture
) -> None:
    class Busy(Workers):
        """The only worker is busy for ten minutes."""

        looks = 0

        def start(self, handover: str, workspace: str, attempt: str, title: str) -> str:
            self.given = (handover, workspace, attempt, title)
            return attempt

        def state(self, run: str) -> RunState:
            self.looks += 1
            if self.looks == 20:
                super().start(*self.given)
            return super().state(run) if self.looks >= 20 else RunState("SCHEDULED")

    workers = Busy()
    with caplog.at_level("WARNING", logger=placed.__name__):
        run_placed(round, workers, Logged())
    assert written(round) == here[0]
    assert workers.cancelled == []
    said = [line.getMessage() for line in caplog.records]
    assert len(said) == 3  # after 2.5 min each
    assert "start one with `prefect worker start --pool gpu`" in said[0]


@pytest.mark.parametrize("outage", [60, 600])
def test_an_outage_of_the_handover_is_waited_for(
    outage: int, round: Round, here: tuple[dict[str, str], Logged], monkeypatch: pytest.MonkeyPatch
) -> None:
    """For `lost_after` seconds; then the round ends, and a continued one takes over what was done."""
    left = [outage // 30]
    whole = Attempt.result

    def unreachable(self: Attempt) -> StepResult | None:
        left[0] -= 1
        if left[0] >= 0:
            raise NoHandover("the handover cannot be read")
        return whole(self)

    monkeypatch.setattr(Attempt, "result", unreachable)
    workers = Workers()
    if outage == 600:
        with pytest.raises(NoHandover):
            run_placed(round, workers, Logged())
        left[0] = 0
    run_placed(round, workers, Logged())
    assert written(round) == here[0]
    assert len(workers.states) == 1


@pytest.mark.parametrize("failures", [3, 6])
def test_a_busy_prefect_server_is_asked_again(failures: int, round: Round, here: tuple[dict[str, str], Logged]) -> None:
    class Busy(Workers):
        left = failures

        def start(self, handover: str, workspace: str, attempt: str, title: str) -> str:
            self.left -= 1
            if self.left >= 0:
                raise NoPrefect("the Prefect server failed")
            return super().start(handover, workspace, attempt, title)

        def state(self, run: str) -> RunState:
            if self.left == -1:
                self.left -= 1
                raise NoPrefect("the Prefect server failed")
            return super().state(run)

    workers = Busy()
    if failures == 6:  # 150 s
        with pytest.raises(NoPrefect):
            run_placed(round, workers, Logged())
    run_placed(round, workers, Logged())
    assert written(round) == here[0]


def test_a_step_whose_workers_are_lost_again_and_again_fails(round: Round) -> None:
    names = []

    def worker(url: str, workspace: str, name: str) -> None:
        names.append(name)
        raise Died

    with pytest.raises(StepFailed, match="3 workers of the pool 'gpu' were lost"):
        run_placed(round, Workers(*[worker] * 4), Logged())
    assert len(set(names)) == 3


@pytest.mark.parametrize("name", ["manifest.json", "checkpoint.json"])
def test_a_damaged_attempt_is_superseded(name: str, round: Round, here: tuple[dict[str, str], Logged]) -> None:
    def worker(url: str, workspace: str, name: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_placed(round, Workers(worker), Logged())
    before = current(round)
    files(round).write(f"{before.name}/{name}", {"format": 1, "damaged": True})
    run_placed(round, Workers(), Logged())
    assert written(round) == here[0]
    assert current(round).id != before.id


def test_an_attempt_with_other_inputs_is_superseded(round: Round) -> None:
    def worker(url: str, workspace: str, name: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_placed(round, Workers(worker, worker), Logged())
    before = current(round).id
    write_prompts(round.workspace, "train", ["Is it open?"])
    with pytest.raises(KeyboardInterrupt):
        run_placed(round, Workers(worker, worker), Logged())
    assert current(round).id != before


def test_what_an_earlier_coordinator_counted_counts_once(round: Round) -> None:
    def silent(url: str, workspace: str, name: str) -> None:
        attempt = Attempt(Handover(url, workspace), name)
        attempt.show_life(Beat(count=1, machine="a", usage=StepUsage(cpu=3.0, sampled=40, memory=7)))
        raise Silent

    class Interrupted(Workers):
        """The coordinator is ended at its second look."""

        looks = 0

        def state(self, run: str) -> RunState:
            self.looks += 1
            if self.looks == 2:
                raise KeyboardInterrupt
            return super().state(run)

    counted = []
    for _ in range(2):
        log, workers = Logged(), Interrupted(silent)
        with pytest.raises(KeyboardInterrupt):
            run_placed(round, workers, log)
        assert log.elsewhere is not None
        counted.append((log.elsewhere.cpu, log.elsewhere.sampled, log.elsewhere.memory))
    assert counted == [(3.0, 40, 7), (0.0, 0, 7)]


def test_outputs_of_another_attempt_are_not_taken(round: Round) -> None:
    def worker(url: str, workspace: str, name: str) -> None:
        other = attempts.new(Handover(url, workspace), *name.split("/")[:2])
        result = StepResult(attempt=other.id, last=Beat(count=1, machine="a"))
        Attempt(Handover(url, workspace), name).finish(result)
        raise Died

    with pytest.raises(StepFailed):
        run_placed(round, Workers(*[worker] * 3), Logged())
    assert not round.workspace.report("policy").exists()


def test_a_worker_of_a_superseded_attempt_gives_up(round: Round) -> None:
    names = []

    def late(url: str, workspace: str, name: str) -> None:
        names.append(name)
        raise Died

    def second(url: str, workspace: str, name: str) -> None:
        with pytest.raises(worker_step.SupersededError):
            worker_step.work(url, workspace, names[0])
        worker_step.work(url, workspace, name)

    run_placed(round, Workers(late, second), Logged())
    assert round.workspace.report("policy").exists()


def test_what_a_lost_worker_stores_late_is_not_taken(round: Round, here: tuple[dict[str, str], Logged]) -> None:
    """The first worker goes on although it counts as lost, and stores a checkpoint and outputs while the second runs,
    and after it."""
    names: list[str] = []

    def silent(url: str, workspace: str, name: str) -> None:
        names.append(name)
        killed_at(1, Silent)(url, workspace, name)

    def late(url: str, workspace: str) -> None:
        lost, wrong = Attempt(Handover(url, workspace), names[0]), Path(url.removeprefix("file://")).parent / "wrong"
        assert not lost.current
        copies = Workspace(wrong)
        for file in (copies.state("policy") / "state.bin", copies.checkpoint("policy") / "model.bin"):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"wrong")
        lost.keep_checkpoint(copies, copies.state("policy"))
        outputs = attempts.store(lost.handover, copies, [copies.checkpoint("policy")])
        lost.finish(StepResult(attempt=lost.id, last=Beat(count=9, machine="late"), outputs=outputs))

    def second(url: str, workspace: str, name: str) -> None:
        late(url, workspace)
        killed_at(2, Died)(url, workspace, name)

    def third(url: str, workspace: str, name: str) -> None:
        continued = Attempt(Handover(url, workspace), name).manifest().checkpoint
        assert continued is not None
        assert names[0] not in continued.area  # it continues from what the second one stored
        worker_step.work(url, workspace, name)
        late(url, workspace)

    log = Logged()
    run_placed(round, Workers(silent, second, third), log)
    assert written(round) == here[0]
    assert log.elsewhere is not None
    assert log.elsewhere.machine != "late"


def test_the_checkpoint_before_the_last_one_stays_for_a_worker_that_was_told_of_it(tmp_path: Path) -> None:
    attempt = Attempt(Handover(f"file://{tmp_path / 'shared'}", "mine"), "policy/1")
    copies = Workspace(tmp_path / "copies")
    state = copies.state("policy")
    state.mkdir(parents=True)
    kept: list[set[str]] = []
    for content in ("one", "two", "three"):
        (state / "state.bin").write_text(content)
        attempt.keep_checkpoint(copies, state)
        kept.append({file.read_text() for file in (tmp_path / "shared/mine/policy/1/checkpoint").iterdir()})
    assert kept == [{"one"}, {"one", "two"}, {"two", "three"}]


def test_after_an_error_the_continued_round_runs_the_step_again(
    round: Round, here: tuple[dict[str, str], Logged], monkeypatch: pytest.MonkeyPatch
) -> None:
    def old(url: str, workspace: str, name: str) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(rounds, "code_digest", lambda: "f" * 16)
            worker_step.work(url, workspace, name)

    def unfit(url: str, workspace: str, name: str) -> None:
        raise ModuleNotFoundError("No module named 'flows.step'")

    for worker in (old, unfit):
        with pytest.raises(BadWorkspace if worker is old else StepFailed):
            run_placed(round, Workers(worker), Logged())
    run_placed(round, Workers(), Logged())
    assert written(round) == here[0]


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "data/round.yaml", "data/checkpoints/../round.yaml"])
def test_files_that_the_step_does_not_write_are_refused(name: str, round: Round) -> None:
    def worker(url: str, workspace: str, attempt: str) -> None:
        outputs = HandedFiles(files={name: HandedFile(sha256="0" * 64, bytes=1)})
        each = Attempt(Handover(url, workspace), attempt)
        each.finish(StepResult(attempt=each.id, last=Beat(count=1, machine="a"), outputs=outputs))

    before = round.workspace.round.read_text()
    with pytest.raises(StepFailed):
        run_placed(round, Workers(*[worker] * 3), Logged())
    assert round.workspace.round.read_text() == before


def test_a_damaged_output_is_made_again(round: Round, here: tuple[dict[str, str], Logged]) -> None:
    def worker(url: str, workspace: str, name: str) -> None:
        worker_step.work(url, workspace, name)
        result = Attempt(Handover(url, workspace), name).result()
        assert result is not None
        file = result.outputs.files["data/reports/policy.json"]
        (Path(url.removeprefix("file://")) / workspace / "objects" / file.sha256).write_bytes(b"x" * file.bytes)

    run_placed(round, Workers(worker), Logged())
    assert written(round) == here[0]


def test_a_damaged_input_is_stored_again(round: Round, here: tuple[dict[str, str], Logged]) -> None:
    def worker(url: str, workspace: str, name: str) -> None:
        for file in (Path(url.removeprefix("file://")) / workspace / "objects").iterdir():
            file.write_bytes(b"")
        worker_step.work(url, workspace, name)

    run_placed(round, Workers(worker), Logged())
    assert written(round) == here[0]


def test_an_error_that_a_user_can_correct_is_raised_as_it_is(round: Round) -> None:
    write_prompts(round.workspace, "train", [])
    with pytest.raises(BadFeedback, match="no prompt to train on"):
        run_placed(round, Workers(), Logged())


def test_any_other_error_names_the_machine(round: Round) -> None:
    (round.workspace.prompts / "train.arrow").write_bytes(b"nothing")
    with pytest.raises(placed.WorkerFailed, match=r"on \S+: Arrow"):
        run_placed(round, Workers(), Logged())


def test_a_worker_with_other_code_refuses(round: Round, monkeypatch: pytest.MonkeyPatch) -> None:
    def worker(url: str, workspace: str, name: str) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(rounds, "code_digest", lambda: "f" * 16)
            worker_step.work(url, workspace, name)

    with pytest.raises(BadWorkspace, match=r"other code than the round .*`git checkout abc123` restores it"):
        run_placed(round, Workers(worker), Logged())


def test_a_run_that_failed_before_its_step_is_named(round: Round) -> None:
    def worker(url: str, workspace: str, name: str) -> None:
        raise ModuleNotFoundError("No module named 'flows.step'")

    with pytest.raises(StepFailed, match=r"ended as FAILED and left no result: No module named 'flows\.step'"):
        run_placed(round, Workers(worker), Logged())


def test_at_its_end_a_round_leaves_only_base_models(round: Round) -> None:
    run_placed(round, Workers(), Logged())
    assert "objects" in files(round).folders()
    files(round).write("bases/x", 1)
    placed.clear(round)
    assert files(round).folders() == ["bases"]


def test_a_step_without_a_pool_runs_here(tmp_path: Path, models: Path, here: tuple[dict[str, str], Logged]) -> None:
    round = furnished(tmp_path, models)
    placed.run(policy, round, Logged())
    placed.clear(round)
    assert written(round) == here[0]
