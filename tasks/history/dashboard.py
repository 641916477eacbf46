"""What the dashboard shows of a workspace, gathered from its files and the feedback database: no MLflow, no Prefect.

Records of rounds are read once, and again only if their file has changed.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from core.errors import Damaged, RoundsError
from core.stored import Stored, Value
from evaluation.evals.true_utility import TRUE_GAIN
from evaluation.evals.votes import VOTES, WIN_RATE
from evaluation.statistics.annotators import AnnotatorAgreement
from evaluation.statistics.intervals import wilson
from feedback import preferences
from feedback.agreement import Agreement
from feedback.label_quality import LabelQuality
from feedback.measured import CURATE_AGREEMENT, CURATE_AGREEMENT_ALPHA, CURATE_SHARED_PAIRS
from feedback.split import SplitSettings
from tasks.people import ballot_throughput, label_filling, label_quality
from tasks.registry import audit, incidents
from tasks.rounds import round_progress
from tasks.rounds.round_progress import EARLIER, OpenRoundState
from tasks.state import feedback_database, intake, records
from tasks.state.cost import RoundCost
from tasks.state.readiness import StartConditions, readiness
from tasks.state.reports import RewardReport
from tasks.state.workspace import Workspace
from tasks.watch import drift

if TYPE_CHECKING:
    from feedback.store.label_queues import LabelQueueState

FRESH = 2.0
"""Seconds for which what was gathered is shown again."""

REST = 20.0
"""Multiple of the time that counting the usable records took for which the number is kept: all that wait are read."""

SELDOM = 30.0
"""Seconds for which numbers over all feedback are kept: a workspace may have millions of events."""

ROLLBACK = "rollback"
"""The event of a rollback in the audit log."""

DAYS = 30
"""Days of which the throughput is shown."""


class _Result(Value):
    result: str


class FinishedRound(Stored):
    """The part of a round's record that is shown: reading a whole one takes ten times as long."""

    number: int
    key: str
    finished: str
    run_id: str
    experiment: str
    version: str
    verdict: _Result
    new_feedback: int
    metrics: dict[str, float]
    cost: RoundCost | None = None

    @property
    def win_rate(self) -> tuple[float, float, float] | None:
        """The win rate with its 95 % interval; None without votes."""
        return self._interval(WIN_RATE.interval)

    @property
    def true_gain(self) -> tuple[float, float, float] | None:
        """The true gain with its 95 % interval; None where the utility is not known."""
        return self._interval(TRUE_GAIN.interval)

    @property
    def votes(self) -> int | None:
        """Fresh votes; None without any."""
        votes = self.metrics.get(VOTES.full)
        return None if votes is None else int(votes)

    @property
    def agreement(self) -> tuple[float, float, float] | None:
        """Agreement between annotators over all feedback that the round had, with the 95 % interval of its pairs.

        None if no two judged the same.
        """
        share, pairs = self.metrics.get(CURATE_AGREEMENT.full), int(self.metrics.get(CURATE_SHARED_PAIRS.full, 0))
        if share is None:
            return None
        return (share, *wilson(share * pairs, pairs)[1:3]) if pairs else (share, share, share)

    @property
    def alpha(self) -> float | None:
        """The same beyond chance."""
        return self.metrics.get(CURATE_AGREEMENT_ALPHA.full)

    def _interval(self, names: tuple[str, str, str]) -> tuple[float, float, float] | None:
        if names[0] not in self.metrics:
            return None
        value, low, high = (float(self.metrics.get(name, self.metrics[names[0]])) for name in names)
        return value, low, high


class ChampionState(NamedTuple):
    """The version that answers, by the audit log."""

    version: str
    since: str
    """UTC time, ISO 8601."""
    who: str
    reason: str
    rolled_back: bool
    """The last move was a rollback."""
    earlier: tuple[str, ...]
    """The other versions that were champion before, by this log, without those that were rolled back since."""


class DayCount(NamedTuple):
    """Single events and fresh votes by people that arrived on one day."""

    day: date
    """UTC."""
    arrived: int


@dataclass(frozen=True)
class FeedbackNumbers:
    """Numbers over feedback that has to be read for them."""

    annotators: tuple[LabelQuality, ...] = ()
    agreement: Agreement | None = None
    """Agreement on the feedback that waits; None if no two people judged the same answers."""
    model_agreements: tuple[AnnotatorAgreement, ...] = ()
    """How far annotators agree with models that did not learn from them, as the last round's reward step found."""


@dataclass(frozen=True)
class Dashboard:
    """What the page shows."""

    at: datetime
    champion: ChampionState | None
    """None before the first round."""
    progress: OpenRoundState | None
    """None if no round is open."""
    waiting: StartConditions | None
    """The usable records that wait; None if they cannot be counted, and `problems` says why."""
    records: int
    """All that wait, usable or not."""
    rounds: tuple[FinishedRound, ...]
    """All finished rounds, oldest first."""
    days: tuple[DayCount, ...]
    """The last days, oldest first, without gaps."""
    queues: "tuple[LabelQueueState, ...]"
    feedback: FeedbackNumbers
    alarms: tuple[str, ...]
    """Drift alarms of the last round."""
    incidents: int
    """Open incidents."""
    problems: tuple[str, ...] = field(default=())
    """What could not be read, and the cure."""


class DashboardReader:
    """Gathers the dashboard of one workspace. Methods may be called by any thread; one gathers at a time."""

    def __init__(self, workspace: Workspace, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing is read yet.

        Args:
            workspace: whose dashboard it is.
            clock: seconds, which never go back.
        """
        self._workspace, self._clock, self._lock = workspace, clock, threading.Lock()
        self._rounds: dict[int, tuple[int, FinishedRound]] = {}
        self._last: tuple[float, Dashboard] | None = None
        self._forgotten = False
        self._numbers: tuple[float, FeedbackNumbers] | None = None
        self._waiting: tuple[float, StartConditions] | None = None
        self._audited: tuple[tuple[int, ...], list[str]] | None = None

    def read(self) -> Dashboard:
        """The state now, at most `FRESH` seconds old."""
        with self._lock:
            if self._forgotten or self._last is None or self._clock() >= self._last[0] + FRESH:
                self._forgotten = False
                self._last = self._clock(), self._gathered()
            return self._last[1]

    def forget(self) -> None:
        """Gather anew at the next call: something was started. Does not wait for a thread that gathers."""
        self._forgotten = True

    def _gathered(self) -> Dashboard:
        workspace, now, problems = self._workspace, datetime.now(UTC), _Problems()
        with problems.noted():
            self._read_rounds()
        progress = waiting = None
        every = 0
        days: Mapping[date, int] = {}
        queues: tuple[LabelQueueState, ...] = ()
        with problems.noted():
            progress = self._progress(now)
        with problems.noted():
            every, waiting = intake.new_records(workspace), self._start_conditions()
        with problems.noted():
            days, queues = _a_day(workspace, now), tuple(label_filling.queues(workspace))
        numbers = FeedbackNumbers()
        with problems.noted():
            numbers = self._feedback_numbers()
        alarms: tuple[str, ...] = ()
        with problems.noted():
            alarms = tuple(drift.newest(workspace).values())
        with problems.noted():
            self._check_audit()
        return Dashboard(
            at=now,
            champion=champion(workspace),
            progress=progress,
            waiting=waiting,
            records=every,
            rounds=tuple(entry for _, (_, entry) in sorted(self._rounds.items())),
            days=_without_gaps(days, now),
            queues=queues,
            feedback=numbers,
            alarms=alarms,
            incidents=sum(incident.open for incident in incidents.every(workspace.audit)),
            problems=tuple(problems),
        )

    def _read_rounds(self) -> None:
        """Read the records that are new or have changed, and forget those that are gone."""
        numbers = records.numbers(self._workspace)
        self._rounds = {number: self._rounds[number] for number in numbers if number in self._rounds}
        for number in numbers:
            path = records.path(self._workspace, number)
            changed = path.stat().st_mtime_ns
            if number not in self._rounds or self._rounds[number][0] != changed:
                self._rounds[number] = changed, FinishedRound.load(path)

    def _check_audit(self) -> None:
        """Check the audit log, from which the champion and the incidents are, if it has changed.

        Raises:
            Damaged: it is, so that what it says may be wrong.
        """
        log = self._workspace.audit
        stamp = tuple(entry.st_mtime_ns for file in log.parent.glob(f"{log.name}*") for entry in [file.stat()])
        if self._audited is None or self._audited[0] != stamp:
            self._audited = stamp, audit.verify(log)
        if problems := self._audited[1]:
            raise Damaged(
                f"the audit log is damaged, so the champion and incidents below may be wrong: {problems[0]}; "
                "`rounds doctor` says how to mend it"
            )

    def _progress(self, now: datetime) -> OpenRoundState | None:
        if not records.unfinished(self._workspace):
            return None
        earlier = [records.read(self._workspace, number) for number in sorted(self._rounds)[-EARLIER:]]
        return round_progress.read(self._workspace, now, earlier)

    def _feedback_numbers(self) -> FeedbackNumbers:
        if self._numbers is None or self._clock() >= self._numbers[0] + SELDOM:
            self._numbers = self._clock(), feedback_numbers(self._workspace)
        return self._numbers[1]

    def _start_conditions(self) -> StartConditions:
        if self._waiting is None or self._clock() >= self._waiting[0]:
            began = self._clock()
            found = readiness(self._workspace)
            self._waiting = self._clock() + REST * (self._clock() - began), found
        return self._waiting[1]


class _Problems(list[str]):
    """What could not be read."""

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Keep an error of the block, so that the rest of the page is shown."""
        try:
            yield
        except (RoundsError, OSError) as error:
            if str(error) not in self:
                self.append(str(error))


def champion(workspace: Workspace) -> ChampionState | None:
    """The version that the last move of the alias made champion; None before the first."""
    moves = [entry for entry in audit.read(workspace.audit) if "now" in entry.facts]
    if not moves:
        return None
    last = moves[-1]
    reason = str(last.facts.get("reason") or "")
    version = str(last.facts["now"])
    known: dict[str, bool] = {}
    """Version → whether it may be champion again; in the order of their first moves."""
    for move in moves:
        left = str(move.facts.get("left") or "")
        known[left] = known.get(left, True) and move.event != ROLLBACK
        known[str(move.facts["now"])] = True
    earlier = tuple(each for each, may in known.items() if may and each not in ("", version))
    return ChampionState(version, last.at, last.who, reason, last.event == ROLLBACK, earlier)


def feedback_numbers(workspace: Workspace) -> FeedbackNumbers:
    """How well annotators label, and how far they agree on the feedback that waits.

    Raises:
        NoDatabase: the feedback database does not answer.
    """
    waiting = feedback_database.waiting_events(workspace)
    agreement = preferences.preferences(waiting, SplitSettings(), "").agreement if waiting else None
    return FeedbackNumbers(tuple(label_quality.annotators(workspace)), agreement, _model_agreements(workspace))


def _model_agreements(workspace: Workspace) -> tuple[AnnotatorAgreement, ...]:
    report = workspace.report("reward")
    return RewardReport.load(report).annotators if report.exists() else ()


def _a_day(workspace: Workspace, now: datetime) -> Mapping[date, int]:
    since = now - timedelta(days=DAYS)
    days = ballot_throughput.a_day(workspace, since)
    if feedback_database.exists(workspace):
        from feedback.store import throughput

        with feedback_database.opened(workspace) as database:
            days.update(throughput.a_day(database, since))
    return days


def _without_gaps(days: Mapping[date, int], now: datetime) -> tuple[DayCount, ...]:
    first = now.date() - timedelta(days=DAYS - 1)
    every = (first + timedelta(days=number) for number in range(DAYS))
    return tuple(DayCount(day, days.get(day, 0)) for day in every)
