"""The dashboard as a template shows it: charts, rows and sentences."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from evaluation.statistics.annotators import AnnotatorAgreement
from evaluation.statistics.intervals import wilson
from serving.loaded import FollowerState
from tasks.history.dashboard import ChampionState, Dashboard, FeedbackNumbers, FinishedRound
from tasks.pages import charts
from tasks.pages.charts import Chart, Measured
from tasks.pages.cost import duration

CHARTED = 30
"""Rounds in a chart: the last ones."""

LISTED = 15
"""Rounds in the table, unless all are asked for."""


NONE = "–"
"""In place of a number that is not known."""


class AnnotatorRow(NamedTuple):
    """One annotator as the table shows them."""

    name: str
    judged: str
    gold: str
    repeats: str
    models: str
    """How often models that did not learn from the annotator agree, and how often with all others."""


class DashboardView(NamedTuple):
    """What the template shows beside the numbers themselves."""

    now: str
    """The open round in one sentence, also for a screen reader."""
    ends: str
    """When it is expected to end; empty if that is not known."""
    waiting: str
    """What waits, and what starts the next round; empty if it cannot be counted."""
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
        annotators=tuple(_annotators(board.feedback)),
        agreement=_agreement(board),
        today=board.days[-1].arrived,
        week=sum(day.arrived for day in board.days[-7:]),
    )


def answering(state: FollowerState, champion: ChampionState | None) -> str:
    """Why another version than the champion of the audit log answers, or none; empty if it answers."""
    if champion is None or (state.problem is None and state.champion == champion.version):
        return ""
    answers = f"Version {state.champion} answers" if state.champion else "No version answers"
    return f"{answers}: {state.problem or 'the alias was moved without this audit log; `rounds doctor` says more'}"


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
    unused = board.records - board.waiting.usable
    more = "1 more waits" if unused == 1 else f"{unused:,} more wait"
    others = f" {more} from which no round can learn yet." if unused > 0 else ""
    return f"{board.waiting}.{others} The next round starts {board.waiting.outlook}."


def _agreement(board: Dashboard) -> str:
    found = board.feedback.agreement
    if found is None:
        return "No two people judged the same answers in the feedback that waits."
    alpha = "" if found.alpha is None else f", Krippendorff's alpha {found.alpha:.2f}"
    return f"{found.share:.0%} on {found.pairs:,} pairs with two judgements or more that wait{alpha}."


def _annotators(numbers: FeedbackNumbers) -> Iterator[AnnotatorRow]:
    """Those of the label page, then the others whose votes were compared with models."""
    models: dict[str, str] = {}
    for each in numbers.model_agreements:  # the first of an annotator is the most significant
        models.setdefault(each.annotator, _agreed(each))
    for quality in numbers.annotators:
        gold, repeats = _share(quality.right, quality.gold), _share(quality.equal, quality.repeats)
        found = models.pop(quality.annotator, NONE)
        yield AnnotatorRow(quality.annotator, f"{quality.judged:,}", gold, repeats, found)
    for name in sorted(models):
        yield AnnotatorRow(name, NONE, NONE, NONE, models[name])


def _agreed(found: AnnotatorAgreement) -> str:
    of = f"{found.votes:,} new votes" if found.newest else f"{found.votes:,} votes"
    return f"{found.agreement:.0%} of {of}, others {found.others:.0%} (p {found.p:.2g})"


def _share(part: int, whole: int) -> str:
    if not whole:
        return NONE
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
    found.append(charts.bars(f"Feedback a day, last {len(days)} days", days))
    if any(entry.agreement for entry in rounds):
        agreed = [_measured(each, each.agreement) for each in rounds]
        found.append(charts.line("Agreement between annotators by round", agreed, ".0%"))
    return found


def _measured(entry: FinishedRound, interval: tuple[float, float, float] | None) -> Measured:
    value, low, high = interval or (None, None, None)
    return Measured(str(entry.number), value, low, high)
