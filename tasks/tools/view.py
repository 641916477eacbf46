"""How MLflow shows the rounds: one row a round, with the columns that tell them apart."""

import json

KEY = "rounds"
"""Name of the view in the page's address."""

TAGS = ("verdict", "version")
METRICS = (
    "evaluate/win_rate",
    "evaluate/win_rate_low",
    "evaluate/reward_accuracy",
    "evaluate/kl_mean",
    "evaluate/true_gain",
    "curate/train",
)
"""What a person looks at first. Everything else is one click on *Columns* away."""


def tags() -> dict[str, str]:
    """Tags of the experiment that hold the view, as the UI's own *Share view* writes them."""
    widths = {f"tags.`{name}`": 90 for name in TAGS} | {f"metrics.`{name}`": 185 for name in METRICS}  # pixels
    state = {"selectedColumns": [*widths], "columnOrder": [*widths], "columnWidths": widths}
    return {
        "mlflow.experimentKind": "custom_model_development",
        f"mlflow.sharedViewState.{KEY}": json.dumps(state),
    }


def page(server: str, experiment: str) -> str:
    """The address of the view on an MLflow server."""
    return f"{server}/#/experiments/{experiment}/runs?workflowType=machine_learning&viewStateShareKey={KEY}"
