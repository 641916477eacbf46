"""A finished round for the Prefect UI: a summary as Markdown, and its gates as rows of a table."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from core.shown import noted
from evaluation.evals.answers import KL_MEAN
from evaluation.evals.reward_model import REWARD_ACCURACY
from evaluation.evals.true_utility import TRUE_GAIN
from evaluation.evals.votes import WIN_RATE
from evaluation.verdict import Verdict
from feedback.measured import CURATE_TRAIN
from tasks.pages.markdown import SafeMarkdown, number, render
from tasks.state.records import RoundRecord

SHOWN = (WIN_RATE, TRUE_GAIN, REWARD_ACCURACY, KL_MEAN, CURATE_TRAIN)
"""The metrics of the summary; all are in MLflow."""


class ShownNumber(NamedTuple):
    """A metric with its 95 % confidence interval, if it has one."""

    name: str
    value: float
    low: float | None
    high: float | None


def summary(record: RoundRecord, url: str | None, page: str) -> str:
    """What came out of the round, and where its run and cards are.

    Args:
        record: the round.
        url: the address of its run in MLflow; None if no server is known that shows it.
        page: the address, or the command that shows the run without a server.
    """
    return render(
        Path(__file__).with_name("round.md.jinja"),
        record=record,
        numbers=[*_numbers(record)],
        url=SafeMarkdown(url) if url else None,
        page=page,
    )


def gates(verdict: Verdict) -> list[dict[str, str]]:
    """One row per gate, in their order; numbers have three significant digits."""
    return [
        {
            "gate": finding.gate,
            "result": finding.result,
            "reason": noted(finding.reason),
            "numbers": ", ".join(f"{name} {number(value)}" for name, value in finding.numbers.items()),
        }
        for finding in verdict.findings
    ]


def _numbers(record: RoundRecord) -> Iterator[ShownNumber]:
    for metric in SHOWN:
        if metric.full in record.metrics:
            low, high = (record.metrics.get(f"{metric.full}_{end}") for end in ("low", "high"))
            both = low is not None and high is not None
            yield ShownNumber(metric.full, record.metrics[metric.full], low if both else None, high if both else None)
