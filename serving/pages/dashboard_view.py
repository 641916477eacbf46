"""The dashboard as a template shows it: charts, rows and sentences."""

from datetime import datetime
from typing import NamedTuple

from evaluation.statistics.intervals import wilson
from feedback.label_quality import LabelQuality
from tasks.history.dashboard import Dashboard, FinishedRound
from tasks.pages import charts
from tasks.pages.charts import Chart, Measured
from tasks.pages.cost import duration

CHARTED = 30
"""Rounds in a chart: the last ones."""

LISTED = 15
"""Rounds in the table, unless all are asked for."""


class AnnotatorRow(NamedTuple):
    """One annotator as the table shows them."""

    name: str
    judged: int
    gold: str
    repeats: str


class DashboardView(NamedTuple):
    """What the template shows beside the numbers themselves."""

    now: str
    """The open round in one sentence, also for a screen reader."""
    ends: str
    """When it is expected to end; empty if that is not known."""
    waiting: str
    """What waits for the next round; empty if it cannot be counted."""
    charts: tuple[Chart, ...]
    rounds: tuple[FinishedRound, ...]
    """Newest first."""
    hidden: int
    """Rounds that the table leaves out."""
    annotators: tuple[AnnotatorRow, ...]
    agreement: str
    """On the feedback that waits."""
    today: int
    """Feedback that arrived today."""
    week: int
    """Feedback that arrived in the last seven days."""

    @staticmethod
    def tokens(count: int) -> str:
        """A number of tokens that fits a column: `12,345`, `2.87 M`."""
        return f"{count:,}" if count < 1_000_000 else f"{count / 1e6:,.3g} M"


def dashboard_view(board: Dashboard, all_rounds: bool = False) -> DashboardView:
    """Charts and sentences of a dashboard.

    Args:
        board: what was gathered.
        all_rounds: list every round, not only the last.
    """
    newest = tuple(reversed(board.rounds))
    listed = newest if all_rounds else newest[:LISTED]
    return DashboardView(
        now=_now(board),
        ends=_ends(board),
        waiting=_waiting(board),
        charts=tuple(_charts(board)),
        rounds=listed,
        hidden=len(newest) - len(listed),
        annotators=tuple(map(_annotator, board.feedback.annotators)),
        agreement=_agreement(board),
        today=board.days[-1].arrived,
        week=sum(day.arrived for day in board.days[-7:]),
    )


def _now(board: Dashboard) -> str:
    progress = board.progress
    if progress is None:
        return "No round is open."
    told = f"Round {progress.number} {progress.activity}"
    if progress.step is None:
        return f"{told}."
    part = ", {} of {}".format(*progress.step.part) if progress.step.part else ""
    return f"{told}: step {progress.step.name}{' has ended' if progress.step.ended else ''}{part}."


def _ends(board: Dashboard) -> str:
    if board.progress is None or board.progress.end is None:
        return ""
    left = duration((board.progress.end - board.at).total_seconds())
    return f"expected in {left}, at {_at(board.progress.end, board.at)} UTC"


def _at(end: datetime, now: datetime) -> str:
    return f"{end:%H:%M}" if end.date() == now.date() else f"{end:%Y-%m-%d %H:%M}"


def _waiting(board: Dashboard) -> str:
    if board.waiting is None:
        return ""
    enough = "enough for a round if all can be used" if board.waiting.enough else "too few for a round by itself"
    return f"{board.waiting.records:,} of {board.waiting.threshold:,} records wait: {enough}."


def _agreement(board: Dashboard) -> str:
    found = board.feedback.agreement
    if found is None:
        return "No two people judged the same answers in the feedback that waits."
    alpha = "" if found.alpha is None else f", Krippendorff's alpha {found.alpha:.2f}"
    return f"{found.share:.0%} on {found.pairs:,} pairs with two judgements or more that wait{alpha}."


def _annotator(quality: LabelQuality) -> AnnotatorRow:
    gold, repeats = _share(quality.right, quality.gold), _share(quality.equal, quality.repeats)
    return AnnotatorRow(quality.annotator, quality.judged, gold, repeats)


def _share(part: int, whole: int) -> str:
    if not whole:
        return "–"
    interval = wilson(part, whole)
    return f"{part} of {whole} ({interval.low:.0%} to {interval.high:.0%})"


def _charts(board: Dashboard) -> list[Chart]:
    rounds = [entry for entry in board.rounds if entry.number][-CHARTED:]
    found: list[Chart] = []
    if any(entry.win_rate for entry in rounds):
        found.append(charts.line("Win rate by round", [_measured(each, each.win_rate) for each in rounds], ".0%", 0.5))
    if any(entry.true_gain for entry in rounds):
        found.append(charts.line("True gain by round", [_measured(each, each.true_gain) for each in rounds], ".2f", 0))
    days = [(f"{each.day:%d %b}", each.arrived) for each in board.days]
    found.append(charts.bars(f"Judgements a day, last {len(days)} days", days))
    if any(entry.agreement is not None for entry in rounds):
        agreed = [Measured(str(each.number), each.agreement) for each in rounds]
        found.append(charts.line("Agreement between annotators by round", agreed, ".0%"))
    return found


def _measured(entry: FinishedRound, interval: tuple[float, float, float] | None) -> Measured:
    value, low, high = interval or (None, None, None)
    return Measured(str(entry.number), value, low, high)
