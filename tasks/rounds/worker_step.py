"""The worker's side of a step that runs on another machine: in an empty workspace, from a manifest.

The step is the same function as in the round's own process. While it runs, one thread stores signs of life and reports
in the handover, and another one training checkpoints: a large one takes longer than a worker may be silent.
"""

import logging
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from core.errors import BadWorkspace, Damaged, RoundsError
from tasks import steps
from tasks.rounds import attempts, launched
from tasks.rounds.attempts import Attempt, Beat, HandedFiles, StepFailure, StepManifest, StepReportLine, StepResult
from tasks.rounds.metering import UsageMeter
from tasks.state import round as rounds
from tasks.state import usage
from tasks.state.steplog import StepLog
from tasks.state.usage import StepUsage
from tasks.state.workspace import Workspace
from tasks.tools.handover import Handover, NoHandover

PREFIX = "rounds-step-"
"""The name of a workspace of one step begins so, in the folder for temporary files."""

MOST = 5.0
"""Seconds between two signs of life, at most."""
RARELY = 10.0
"""The pause between two stores of checkpoints is at least this many times as long as a store takes."""

_logger = logging.getLogger(__name__)


class SupersededError(Exception):
    """The step was given to another worker, or its round was dropped: nobody wants the outputs of this attempt."""


def work(url: str, workspace_id: str, name: str) -> None:
    """Run an attempt of a step.

    Args:
        url: of the handover.
        workspace_id: the id of the workspace whose step it is.
        name: of the attempt.

    Raises:
        Exception: that of the step; it is in the result, too.
        SupersededError: nobody wants the outputs any more.
        NoHandover: the handover cannot be reached.
    """
    attempt = Attempt(Handover(url, workspace_id), name)
    if not attempt.current:
        raise SupersededError(name)
    manifest, folder = attempt.manifest(), Path(tempfile.mkdtemp(prefix=PREFIX))
    step = WorkerStep(attempt, manifest, Workspace(folder))
    try:
        step.run()
    except (SupersededError, NoHandover):
        raise
    except Exception as error:
        kind = type(error)
        failure = StepFailure(module=kind.__module__, kind=kind.__qualname__, message=str(error))
        attempt.finish(StepResult(attempt=attempt.id, last=step.beat(), failure=failure))
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class WorkerStep:
    """Runs one attempt in an empty workspace, and stores in the handover what others have to know of it."""

    def __init__(self, attempt: Attempt, manifest: StepManifest, workspace: Workspace) -> None:
        self._attempt, self._manifest, self._workspace = attempt, manifest, workspace
        self._lines: list[StepReportLine] = []
        self._sent = self._beats = 0
        self._stored: tuple[int, int] | None = None
        self._log = StepLog([self._note])
        self._superseded = threading.Event()

    def run(self) -> None:
        """Fetch the inputs, run the step and store its outputs.

        Raises:
            BadWorkspace: this machine has other code than the round.
            SupersededError: nobody wants the outputs any more.
            Exception: that of the step.
        """
        check_code(self._manifest)
        with self._beside(self._tell):
            self._fetch()
            with self._beside(self._store_checkpoint, RARELY):
                name = self._manifest.step
                meter = UsageMeter(self._workspace, name, self._log)
                self._log.add(meter)
                launched.run(steps.find(name), rounds.read(self._workspace), self._log)
                meter.note()
            self._finish()

    @contextmanager
    def _beside(self, act: Callable[[], None], rarely: float = 0.0) -> Iterator[None]:
        """Do something again and again while the block runs, in a thread.

        Args:
            act: what to do.
            rarely: the pause after it is at least so many times as long as it took.
        """
        every, done = min(MOST, self._manifest.lost_after / 5), threading.Event()

        def repeat() -> None:
            pause = 0.0
            while not done.wait(pause):
                began = time.monotonic()
                try:
                    act()
                except (RoundsError, OSError) as error:  # an outage of minutes must not end a training of hours
                    _logger.warning("the handover was not told of the step: %s", error)
                pause = max(every, rarely * (time.monotonic() - began))

        thread = threading.Thread(target=repeat, name=f"handover-{act.__name__}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def beat(self) -> Beat:
        """A sign of life."""
        self._beats += 1
        used = usage.read(self._workspace).get(self._manifest.step, StepUsage())
        return Beat(count=self._beats, machine=socket.gethostname(), usage=used, learning=self._log.learning_seconds)

    def _fetch(self) -> None:
        handover, inputs = self._attempt.handover, self._manifest.inputs
        attempts.fetch(handover, inputs, ["data"], self._workspace.root)
        state = self._workspace.state(self._manifest.step)
        if checkpoint := self._manifest.checkpoint:
            allowed, root = [self._workspace.name(state)], self._workspace.root
            try:
                attempts.fetch(handover, checkpoint.files, allowed, root, checkpoint.area)
            except Damaged as error:
                _logger.warning("the step starts from its beginning: %s", error)
                shutil.rmtree(state, ignore_errors=True)

    def _note(self, metrics: Mapping[str, float], step: int, total: int | None = None) -> None:
        if self._superseded.is_set():
            raise SupersededError(self._attempt.name)
        self._lines.append(StepReportLine(metrics=dict(metrics), step=step, total=total))

    def _tell(self) -> None:
        """Give a sign of life, and store new reports; find out whether anybody still wants the outputs."""
        if not self._attempt.current:
            self._superseded.set()
            return
        self._attempt.show_life(self.beat())
        if len(self._lines) > self._sent:
            lines = list(self._lines)
            self._attempt.report(lines)
            self._sent = len(lines)

    def _store_checkpoint(self) -> None:
        """Store the training checkpoint if it is a new one. It may be replaced meanwhile, so its files are linked."""
        if self._superseded.is_set() or not self._attempt.current:
            return
        folder = self._workspace.state(self._manifest.step)
        links = self._workspace.root / "links"
        shutil.rmtree(links, ignore_errors=True)
        try:
            seen = _identity(folder)
            if seen == self._stored:
                return
            shutil.copytree(folder, links / self._workspace.name(folder), copy_function=os.link)
            if _identity(folder) != seen:
                return
        except (FileNotFoundError, shutil.Error):  # it does not exist, or is just being replaced
            return
        copies = Workspace(links)
        self._attempt.keep_checkpoint(copies, copies.state(self._manifest.step))
        self._stored = seen

    def _finish(self) -> None:
        if not self._attempt.current:
            raise SupersededError(self._attempt.name)
        workspace, handover = self._workspace, self._attempt.handover
        outputs = [workspace.root / path for path in self._manifest.outputs]
        stored: HandedFiles = attempts.store(handover, workspace, [path for path in outputs if path.exists()])
        self._attempt.report(self._lines)
        self._attempt.finish(StepResult(attempt=self._attempt.id, last=self.beat(), outputs=stored))


def check_code(manifest: StepManifest) -> None:
    """Check that this machine has the code of the round; other code could give other results.

    Raises:
        BadWorkspace: it has not.
    """
    if (own := rounds.code_digest()) != manifest.code:
        raise BadWorkspace(
            f"the worker on {socket.gethostname()} has other code than the round (digest {own}, the round's is "
            f"{manifest.code}): {manifest.checkout}. Check it out on that machine and start its worker again"
        )


def _identity(folder: Path) -> tuple[int, int]:
    """What changes when a folder is replaced: its inode and the time of its last change."""
    state = folder.stat()
    return state.st_ino, state.st_mtime_ns
