"""Decoding for requests that other threads make: one thread owns a decoding loop, and hands out tokens as they come."""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from transformers import PreTrainedModel

from core.errors import RoundsError
from models.compute import Computed, computing
from models.decoding import DecodingLoop, DecodingRequest

Result = TypeVar("Result")

_logger = logging.getLogger(__name__)


STOPPING = "the server is stopping"

PROBES = 3
"""After an error, answers of one token that must fail one after the other before a decoder ends."""
PAUSE = 5.0
"""Seconds between two of them."""


class QueueFull(RoundsError):
    """Too many requests wait for the model."""


class ModelUnavailable(RoundsError):
    """The model cannot be asked: it fails whatever it is asked, or the server is stopping."""


class Capacity(NamedTuple):
    """How many rows a decoder takes."""

    rows: int
    """Rows that are decoded at once."""
    waiting: int
    """Rows that may wait for a place among them."""


class TokenChunk(NamedTuple):
    """Tokens of an answer that have been read."""

    ids: list[int]
    ended: bool
    """No more follow."""
    error: BaseException | None = None
    """Why the answer ended too early."""


Receive = Callable[[TokenChunk], None]
"""Takes the chunks of one request, in the decoder's thread: it must not wait."""


@dataclass(eq=False)
class DecodingJob:
    """A request in the hands of a decoder."""

    request: DecodingRequest
    receive: Receive
    every: float
    """Seconds between two chunks."""
    told: float = -math.inf
    """When the last one was handed out."""
    sent: int = 0
    """Number of tokens that were handed out."""
    withdrawn: bool = False


class ConcurrentDecoder:
    """One model that answers concurrent requests. All methods may be called from any thread."""

    def __init__(
        self, model: PreTrainedModel, end_ids: Sequence[int], pad_id: int, dtype: Computed, capacity: Capacity
    ) -> None:
        """Starts its thread.

        Args:
            model: the model, in evaluation mode; from now on only the thread calls it.
            end_ids: token ids that end an answer.
            pad_id: token id of the padding.
            dtype: what it computes in.
            capacity: how many rows it takes.
        """
        self.end_ids = frozenset(end_ids)
        self._model, self._pad_id = model, pad_id
        self._dtype, self._capacity = dtype, capacity
        self._changed = threading.Condition()
        self._waiting: deque[DecodingJob] = deque()
        self._calls: list[Callable[[], None]] = []
        self._new: list[DecodingJob] = []
        self._jobs: dict[int, DecodingJob] = {}
        self._closed = False
        self.problem: str | None = None
        """Why the model cannot be asked now; None if it can."""
        self.ended = False
        """Whether the model failed so often that the decoder ended: only another process can help."""
        self._loop = self._new_loop()
        self._thread = threading.Thread(target=self._run, name="decoder", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Number of rows that wait."""
        return len(self._waiting)

    @property
    def active(self) -> int:
        """Number of rows that are decoded."""
        return len(self._jobs)

    def submit(self, requests: Sequence[tuple[DecodingRequest, Receive]], every: float = 0.0) -> list[DecodingJob]:
        """Queue requests, all or none.

        Args:
            requests: each with what takes its chunks.
            every: seconds between two chunks of an answer; each switches to another thread and back.

        Raises:
            QueueFull: so many do not fit.
            ModelUnavailable: the model fails whatever it is asked, or the decoder is closed.
        """
        jobs = [DecodingJob(request, receive, every) for request, receive in requests]
        with self._changed:
            if self.problem or self._closed:
                raise ModelUnavailable(f"{self.problem or STOPPING}; try again later")
            if len(self._waiting) + len(jobs) > self._capacity.waiting:
                raise QueueFull(
                    f"{len(self._waiting)} answers wait for the model, and at most {self._capacity.waiting} may; try "
                    "again later"
                )
            self._waiting += jobs
            self._changed.notify()
        return jobs

    def withdraw(self, jobs: Sequence[DecodingJob]) -> None:
        """Stop requests: nothing more is handed out for them, once the step that runs has ended."""
        with self._changed:
            for job in jobs:
                job.withdrawn = True
            self._changed.notify()

    def call(self, work: Callable[[], Result]) -> Future[Result]:
        """Run a function in the thread between two steps: a change of the model must not meet a forward pass.

        Raises:
            ModelUnavailable: the decoder has ended.
        """
        future: Future[Result] = Future()

        def run() -> None:
            try:
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)

        with self._changed:
            if self._closed or self.ended:
                raise ModelUnavailable(f"{self.problem or STOPPING}; try again later")
            self._calls.append(run)
            self._changed.notify()
        return future

    def close(self) -> None:
        """End the thread; requests that have not ended get an error."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _new_loop(self) -> DecodingLoop:
        return DecodingLoop(self._model, sorted(self.end_ids), self._pad_id)

    def _run(self) -> None:
        try:
            with computing(self._model.device, self._dtype):
                self._decode()
        except BaseException as error:
            self._note(error)
        with self._changed:
            self.ended = not self._closed
            self.problem = self.problem or STOPPING
            calls, self._calls = self._calls, []
        for call in calls:
            call()
        self._fail(ModelUnavailable(self.problem), waiting=True)

    def _decode(self) -> None:
        """Decode until the decoder is closed, or the model fails whatever it is asked."""
        while True:
            try:
                if not self._turn():
                    return
            except BaseException as error:  # for example no memory: the state of the loop is unknown
                _logger.exception("decoding failed")
                self._fail(error)
                if not self._recovered():
                    return

    def _recovered(self) -> bool:
        """Begin with an empty loop; False if the model cannot write one token, or the decoder is closed.

        A request that the model cannot answer must not end the decoder, however often it is sent; a model that no
        request can use must not go on.
        """
        for probe in range(PROBES):
            if probe and self._closed_within(PAUSE):
                return False
            try:
                self._loop = self._new_loop()
                self._loop.admit([DecodingRequest([self._pad_id], 1, None)])
                self._loop.step()
            except BaseException as error:
                _logger.exception("the model failed at an answer of one token, %d of %d times", probe + 1, PROBES)
                self._note(error)
                self._fail(ModelUnavailable(self.problem), waiting=True)
            else:
                self.problem = None
                return True
        return False

    def _note(self, error: BaseException) -> None:
        with self._changed:  # who submits sees it, or is among those who wait
            self.problem = f"the model fails whatever it is asked: {error or type(error).__name__}"

    def _closed_within(self, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._closed, seconds)

    def _turn(self) -> bool:
        """One step, and what has to happen before it; False once the decoder is closed."""
        with self._changed:
            while not (self._closed or self._waiting or self._calls or self._jobs):
                self._changed.wait()
            if self._closed:
                return False
            calls, self._calls = self._calls, []
            self._drop_withdrawn()
            self._new = self._admitted()
        for call in calls:
            call()
        self._step()
        return True

    def _admitted(self) -> list[DecodingJob]:
        """The jobs that have a place now, in the order of their arrival."""
        free = self._capacity.rows - len(self._jobs)
        return [self._waiting.popleft() for _ in range(min(free, len(self._waiting)))]

    def _drop_withdrawn(self) -> None:
        """Before calls: one of them may remove the adapter of a job that was withdrawn."""
        self._waiting = deque(job for job in self._waiting if not job.withdrawn)
        for ticket in [ticket for ticket, job in self._jobs.items() if job.withdrawn]:
            self._loop.withdraw(ticket)
            del self._jobs[ticket]

    def _step(self) -> None:
        if self._new:
            self._jobs |= zip(self._loop.admit([job.request for job in self._new]), self._new, strict=True)
            self._new = []
        for ticket, answer in self._loop.step().items():
            job = self._jobs.pop(ticket)
            self._hand_out(job, TokenChunk(answer.ids[job.sent :], True))
        now = time.monotonic()
        for ticket, ids in self._loop.running.items():
            job = self._jobs[ticket]
            if len(ids) > job.sent and now >= job.told + job.every:
                job.told = now
                self._hand_out(job, TokenChunk(list(ids[job.sent :]), False))

    def _hand_out(self, job: DecodingJob, chunk: TokenChunk) -> None:
        job.sent += len(chunk.ids)
        if job.withdrawn:
            return
        try:
            job.receive(chunk)
        except Exception:  # whoever asked is gone
            job.withdrawn = True

    def _fail(self, error: BaseException, waiting: bool = False) -> None:
        """End all jobs that have a place with an error, and with `waiting` those that wait for one."""
        with self._changed:
            jobs = [*self._jobs.values(), *self._new]
            self._jobs, self._new = {}, []
            if waiting:
                jobs += self._waiting
                self._waiting.clear()
        for job in jobs:
            self._hand_out(job, TokenChunk([], True, error))
