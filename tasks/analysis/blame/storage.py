"""Where an attribution report is kept: data/blame/, and an MLflow run of its own below the run of the round."""

from pathlib import Path

from core.files import replacing, write_json
from core.metrics import Metric
from tasks.analysis.blame import AttributionReport
from tasks.analysis.blame.plot import plot
from tasks.analysis.training_data import TrainingRecord
from tasks.tools import lines, tracking
from tasks.tools.tracking import RoundRun

SUSPECTS = Metric(
    "suspects",
    "blame",
    "subsets",
    "none",
    "Subsets of the feedback (annotators, sources, feedback batches) that were left out, one at a time.",
    rare=True,
)
HARM = Metric(
    "harm",
    "blame",
    "Brier score",
    "near 0",
    "Harm of the first subset in the ranking, named by the tag `worst`; mean over held-out pairs and fresh votes. p "
    "by a permutation test over prompt groups, Holm-adjusted for the number of subsets. Worry when it is well above "
    "`blame/control_harm` and p is small.",
    ends=("_p",),
    rare=True,
)
CONTROL_HARM = Metric(
    "control_harm",
    "blame",
    "Brier score",
    "near 0",
    "The same for a training on all feedback with another seed: the noise between two trainings.",
    rare=True,
)
SECONDS = Metric(
    "seconds",
    "blame",
    "seconds",
    "none",
    "Duration of all trainings.",
    rare=True,
)


def store(material: TrainingRecord, blame: AttributionReport) -> Path:
    """Write blame.json and blame.png, log both if the round has an MLflow run, and return their folder."""
    workspace = material.round.workspace
    folder = workspace.blamed(blame.round)
    report, picture = workspace.blame_report(blame.round), workspace.blame_plot(blame.round)
    write_json(report, blame.to_json())
    with replacing(picture) as draft:
        plot(blame).savefig(draft, format="png", dpi=120)
    if material.past:
        run = _run(material, material.past.run_id)
        run.metrics(metrics(blame))
        run.tags({"worst": str(blame.results[0].subset)})
        run.artifact(report)
        run.artifact(picture, "plots")
        run.finish()
    return folder


def metrics(blame: AttributionReport) -> dict[str, float]:
    """The metrics for MLflow: number of subsets, duration, harm of the first in the ranking and of the control."""
    worst, control = blame.results[0], blame.control
    values = {
        SUSPECTS: len(blame.results),
        SECONDS: blame.seconds,
        HARM: worst.harm,
        f"{HARM}_p": worst.p,
        CONTROL_HARM: control.harm,
    }
    return {f"{HARM.step}/{name}": float(value) for name, value in values.items() if value is not None}


def _run(material: TrainingRecord, parent: str) -> RoundRun:
    """The run `blame` below the run of the round; the same run each time."""
    root, number = material.round.workspace.root, material.round.number
    client = tracking.client(root)
    experiment = tracking.rounds_experiment(client, lines.working(client, root), root)
    identity = {"mlflow.parentRunId": parent, "step": "blame"}
    run_id = tracking.find_or_create(client, experiment, "blame", identity, {"round": str(number)})
    return RoundRun(root, client, experiment, run_id, number)
