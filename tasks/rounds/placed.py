"""The coordinator's side of a step: run it here, or have a worker run it and take over its outputs.

The process of the round holds the lock, dvc.lock and the registry, whoever runs the step. It writes what the step needs
to the handover, has a run started on the work pool, and passes its reports on. A worker that shows no sign of life any
more loses the step: another one continues from its last training checkpoint. Only outputs of the current attempt are
accepted, and each file is compared with its SHA-256.

A coordinator that was killed finds the current attempt in the handover, and goes on waiting for it.
"""

import contextlib
import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from core.errors import Damaged, RoundsError, StepFailed
from core.files import replacing
from core.stored import Stored
from tasks.rounds import attempts, launched, placement
from tasks.rounds.attempts import Attempt, Beat, StepManifest, StepResult
from tasks.rounds.placement import StepPlace
from tasks.state import identity
from tasks.state import round as rounds
from tasks.state.round import Round
from tasks.state.steplog import StepLog
from tasks.state.usage import StepUsage
from tasks.steps import Step
from tasks.tools.handover import Handover, NoHandover
from tasks.tools.prefect_api import NoPrefect
from tasks.tools.work_pools import LOST, PoolRuns, RunState, StepRuns, starting

ATTEMPTS = 3
"""Workers that a step is given to before the round ends with an error; continuing it begins to count again."""
PAUSE = 1.0
"""Seconds between two looks at the handover."""
STARTING = 10
"""How many times `lost_after` a worker has from taking a run to starting it, which may need a machine, or an image."""

_logger = logging.getLogger(__name__)


class WorkerFailed(RuntimeError):
    """A step failed on a worker, with an error that is not one of ours."""


def run(step: Step, round: Round, log: StepLog) -> None:
    """Run a step where its knobs say.

    Raises:
        Exception: that of the step.
        StepFailed: its workers were lost again and again, or its run was cancelled.
        RoundsError: the handover or the Prefect server cannot be used.
    """
    place = placement.of(round, step.__name__)
    if place is None:
        launched.run(step, round, log)
    else:
        PlacedStep(round, place, log, PoolRuns(place.pool)).run()


def clear(round: Round) -> None:
    """Remove from the handover what the rounds of this workspace left there, but for base models. Workers that still
    run a step of them give up."""
    url = placement.handover(round)
    if url is None:
        return
    try:
        files = _of_workspace(round, url)
        for name in files.folders():
            if name != attempts.BASES:
                files.drop(name)
    except RoundsError as error:
        _logger.warning("files of the round stay in the handover until the next one removes them: %s", error)


def _of_workspace(round: Round, url: str) -> Handover:
    return Handover(url, identity.made(round.workspace).id)


class _Counted(Stored):
    """What of an attempt's use the round has counted already."""

    attempt: str
    usage: StepUsage


class PlacedStep:
    """A step of a round that a worker runs."""

    def __init__(
        self,
        round: Round,
        place: StepPlace,
        log: StepLog,
        runs: StepRuns,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is read or written yet.

        Args:
            round: the open round.
            place: where the step runs.
            log: gets its reports.
            runs: starts the runs of attempts.
            sleep: waits so many seconds before the next look.
            clock: seconds since any moment.
        """
        self._round, self._place, self._log, self._runs = round, place, log, runs
        self._sleep, self._clock = sleep, clock
        self._handover = _of_workspace(round, place.handover)
        self._key = rounds.key(round.workspace, rounds.code_digest())
        self._before = StepUsage()
        self._heard = 0

    def run(self) -> None:
        """Have the step run, by one worker after another, and take over its outputs.

        Raises:
            Exception: that of the step.
            StepFailed: its workers were lost again and again, or its run was cancelled.
        """
        for _ in range(ATTEMPTS):
            attempt = self._attempt()
            try:
                result = self._awaited(attempt)
                if result and self._taken(result):
                    return
            except (NoHandover, NoPrefect):
                raise  # the worker may go on, and a continued round takes over its outputs
            except Exception:
                attempt.end()  # a continued round runs the step again
                raise
            attempt.end()
            self._before = self._log.elsewhere or StepUsage()
        raise StepFailed(
            f"{ATTEMPTS} workers of the pool {self._place.pool!r} were lost while they ran it; see their logs"
        )

    def _attempt(self) -> Attempt:
        """The latest attempt, if it has the present inputs and was not lost; otherwise a new one."""
        step, workspace = self._place.step, self._round.workspace
        inputs = attempts.store(self._handover, workspace, attempts.inputs(self._round, step))
        before, checkpoint = attempts.latest(self._handover, self._key, step), None
        if before and (earlier := self._earlier(before)) and earlier.inputs == inputs:
            if before.current:
                return before
            checkpoint = earlier.checkpoint
        attempt = attempts.new(self._handover, self._key, step)
        facts = rounds.circumstances(workspace)
        attempt.begin(
            StepManifest(
                attempt=attempt.id,
                step=step,
                code=rounds.code_digest(),
                checkout=rounds.checkout_hint(facts.commit, facts.dirty),
                lost_after=self._place.lost_after,
                inputs=inputs,
                outputs=attempts.outputs(step),
                checkpoint=checkpoint,
            )
        )
        return attempt

    def _earlier(self, attempt: Attempt) -> StepManifest | None:
        """The manifest of an attempt, with its last checkpoint; None if one of them is damaged."""
        try:
            return attempt.manifest().model_copy(update={"checkpoint": attempt.checkpoint()})
        except Damaged as error:
            _logger.warning("step %s starts again: %s", self._place.step, error)
            return None

    def _awaited(self, attempt: Attempt) -> StepResult | None:
        """How an attempt has ended; None if it was lost."""
        run = self._started(attempt)
        self._heard, counted = 0, self._counted(attempt)
        beat, heard, state = None, None, RunState("SCHEDULED")
        seen, since = None, self._clock()
        while True:
            state = self._state(run) or state
            try:
                result, beat = attempt.result(), attempt.beat()  # after the state: a run ends after its result
                if result or beat != heard:
                    self._hear(attempt, result.last if result else beat, counted)
                    heard = beat
            except NoHandover as error:
                if self._clock() - since > self._place.lost_after:
                    raise
                _logger.warning("step %s: %s", self._place.step, error)
                self._sleep(PAUSE)
                continue
            if result:
                return result
            if state.ended:
                self._check_lost(state)
                return None
            if (look := (beat, state.kind)) != seen:
                seen, since = look, self._clock()
            elif self._clock() - since > self._patience(beat, state):
                if beat or state.taken:
                    self._lose(run, beat)
                    return None
                self._say_that_nobody_takes_it()
                since = self._clock()
            self._sleep(PAUSE)

    def _started(self, attempt: Attempt) -> str:
        """The run of an attempt; a server that does not answer is asked again."""
        workspace, since = identity.made(self._round.workspace).id, self._clock()
        title = f"round {self._round.number}, {self._place.step}"
        while True:
            try:
                return self._runs.start(self._place.handover, workspace, attempt.name, title)
            except NoPrefect as error:
                if self._clock() - since > self._place.lost_after:
                    raise
                _logger.warning("step %s: %s", self._place.step, error)
                self._sleep(PAUSE)

    def _patience(self, beat: Beat | None, state: RunState) -> float:
        """Seconds without news, after which something is wrong."""
        is_starting = beat is None and state.taken and not state.running
        return self._place.lost_after * STARTING if is_starting else self._place.lost_after

    def _say_that_nobody_takes_it(self) -> None:
        pool = self._place.pool
        _logger.warning(
            "step %s waits for a worker of the pool %r; start one with %s", self._place.step, pool, starting(pool)
        )

    def _state(self, run: str) -> RunState | None:
        """The state of a run; None if the server does not answer: signs of life are in the handover."""
        try:
            return self._runs.state(run)
        except NoPrefect as error:
            _logger.warning("%s", error)
            return None

    def _check_lost(self, state: RunState) -> None:
        """Check that a run without a result was killed.

        Raises:
            StepFailed: it did not get as far as the step, or was cancelled.
        """
        if state.kind == LOST:
            _logger.warning("the worker of step %s was lost: %s", self._place.step, state.message)
            return
        raise StepFailed(
            f"its run on the pool {self._place.pool!r} ended as {state.kind} and left no result: {state.message}; see "
            "the log of its worker"
        )

    def _lose(self, run: str, last: Beat | None) -> None:
        machine = f" on {last.machine}" if last else ""
        reason = f"the worker{machine} gave no sign of life for {self._place.lost_after:.0f} s"
        _logger.warning("step %s: %s; it is run again from its last checkpoint", self._place.step, reason)
        with contextlib.suppress(NoPrefect):
            self._runs.cancel(run, reason)

    def _hear(self, attempt: Attempt, last: Beat | None, counted: StepUsage) -> None:
        """Pass on new reports, and what the attempt has used."""
        if last is None:
            return
        used = last.usage.without(counted).model_copy(update={"machine": last.machine})
        self._log.note_elsewhere(self._before.plus(used), last.learning)
        lines = attempt.reports()
        for line in lines[self._heard :]:
            self._log(line.metrics, line.step, line.total)
        self._heard = len(lines)
        _Counted(attempt=attempt.id, usage=last.usage).save(self._counted_file)

    def _counted(self, attempt: Attempt) -> StepUsage:
        """What an earlier coordinator has counted of the attempt."""
        file = self._counted_file
        known = _Counted.load(file) if file.exists() else None
        return known.usage if known and known.attempt == attempt.id else StepUsage()

    @property
    def _counted_file(self) -> Path:
        return self._round.workspace.state(f"{self._place.step}.counted.json")

    def _taken(self, result: StepResult) -> bool:
        """Put the outputs in their places; False if they are damaged, so that the step has to run again.

        Raises:
            Exception: the step's own error.
        """
        workspace, step = self._round.workspace, self._place.step
        if result.failure:
            error = launched.error_of(result.failure.module, result.failure.kind, result.failure.message)
            if isinstance(error, Damaged):
                _logger.warning("step %s on %s: %s", step, result.last.machine, error)
                return False
            raise error or WorkerFailed(f"on {result.last.machine}: {result.failure.kind}: {result.failure.message}")
        staged = workspace.state(f"{step}.handed")
        shutil.rmtree(staged, ignore_errors=True)
        try:
            attempts.fetch(self._handover, result.outputs, attempts.outputs(step), staged)
        except Damaged as error:
            _logger.warning("the outputs of step %s: %s", step, error)
            return False
        for name in attempts.outputs(step):
            if (staged / name).exists():
                with replacing(workspace.root / name) as draft:
                    (staged / name).rename(draft)
        shutil.rmtree(staged)
        return True
