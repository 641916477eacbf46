"""The view of the rounds in MLflow: one row per round, with selected columns."""

import json

from evaluation.evals.answers import KL_MEAN
from evaluation.evals.reward_model import REWARD_ACCURACY
from evaluation.evals.true_utility import TRUE_GAIN
from evaluation.evals.votes import WIN_RATE
from feedback.measured import CURATE_TRAIN

KEY = "rounds"
"""Name of the view in the URL of the page."""

TAGS = ("verdict", "version")
METRICS = (
    WIN_RATE.full,
    WIN_RATE.interval[1],
    REWARD_ACCURACY.full,
    KL_MEAN.full,
    TRUE_GAIN.full,
    CURATE_TRAIN.full,
)
"""The metrics shown by default; the others can be added with *Columns*."""


def tags() -> dict[str, str]:
    """Experiment tags that define the view, in the format that the UI's *Share view* writes."""
    widths = {f"tags.`{name}`": 90 for name in TAGS} | {f"metrics.`{name}`": 185 for name in METRICS}  # pixels
    state = {"selectedColumns": [*widths], "columnOrder": [*widths], "columnWidths": widths}
    return {
        "mlflow.experimentKind": "custom_model_development",
        f"mlflow.sharedViewState.{KEY}": json.dumps(state),
    }


def page(server: str, experiment: str) -> str:
    """The URL of the view on an MLflow server."""
    return f"{server}/#/experiments/{experiment}/runs?workflowType=machine_learning&viewStateShareKey={KEY}"
