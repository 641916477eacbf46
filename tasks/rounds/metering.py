"""Measures what a step uses while it runs, and stores it every few seconds, so that a kill loses little of it."""

import logging
import os
import time

from models import machine, token_counts
from tasks.state import usage
from tasks.state.steplog import StepLog
from tasks.state.usage import StepUsage
from tasks.state.workspace import Workspace

EVERY = 2.0
"""Seconds between two writes while a step reports."""

_logger = logging.getLogger(__name__)


class UsageMeter:
    """A `Log` that measures one attempt of a step, and adds it to what earlier attempts used."""

    def __init__(self, workspace: Workspace, step: str, log: StepLog) -> None:
        """Begin to measure.

        Args:
            workspace: the workspace of the round.
            step: name of the step.
            log: knows how long the step has been training, sampling and judging.
        """
        self._workspace, self._step, self._log = workspace, step, log
        self._before = usage.read(workspace).get(step, StepUsage())
        self._wall, self._cpu, self._tokens = time.perf_counter(), processor_time(), token_counts.so_far()
        self._peak, self._seen = machine.peak_memory(), 0
        self._due = self._wall + EVERY
        machine.forget_gpu_peak()
        self.note()

    def __call__(self, metrics: object, step: int, total: int | None = None) -> None:
        """Measure, and store it if the last time is long ago."""
        self._seen = max(self._seen, machine.resident_memory())
        if time.perf_counter() >= self._due:
            self.note()

    def note(self) -> None:
        """Store what the step has used so far. A full disk does not stop a round here."""
        self._due = time.perf_counter() + EVERY
        try:
            usage.note(self._workspace, self._step, self._before.plus(self._measured()))
        except OSError as error:
            _logger.warning("what the step %s uses could not be stored: %s", self._step, error)

    def _measured(self) -> StepUsage:
        tokens = token_counts.so_far()
        self._seen = max(self._seen, machine.resident_memory())
        peak = machine.peak_memory()
        if elsewhere := self._log.elsewhere:  # this process only waits
            return elsewhere.model_copy(update={"wall": time.perf_counter() - self._wall})
        return StepUsage(
            wall=time.perf_counter() - self._wall,
            cpu=processor_time() - self._cpu,
            gpu=self._log.learning_seconds * machine.gpus(),
            sampled=tokens.sampled - self._tokens.sampled,
            trained=tokens.trained - self._tokens.trained,
            memory=max(peak if peak > self._peak else self._seen, self._log.rank_memory),
            gpu_memory=machine.gpu_peak(),
        )


def processor_time() -> float:
    """Seconds of processor time of this process, and of the processes that it started and waited for."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system
