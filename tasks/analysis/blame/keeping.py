"""Where a finding of blame is kept: data/blame/, and a run of its own below that of the round in MLflow."""

from pathlib import Path

from core.files import replacing, write_json
from core.metrics import Metric
from tasks.analysis.blame import AttributionReport
from tasks.analysis.blame.plot import plot
from tasks.analysis.material import TrainingRecord
from tasks.tools import tracking
from tasks.tools.tracking import RoundRun

SUSPECTS = Metric(
    "suspects",
    "blame",
    "suspects",
    "none",
    "Annotators, sources and batches that were left out in turn.",
    rare=True,
)
HARM = Metric(
    "harm",
    "blame",
    "Brier score",
    "near 0",
    "Harm of the worst of them, whom the tag `worst` names; mean over held-out pairs and fresh votes. p by "
    "permutation of prompt groups, adjusted by Holm for the suspects. Worry when it is well above "
    "`blame/control_harm` and p is small.",
    ends=("_p",),
    rare=True,
)
CONTROL_HARM = Metric(
    "control_harm",
    "blame",
    "Brier score",
    "near 0",
    "The same for a training that left out nobody, with another seed: as much as luck does.",
    rare=True,
)
SECONDS = Metric(
    "seconds",
    "blame",
    "seconds",
    "none",
    "What all trainings took.",
    rare=True,
)


def keep(found: TrainingRecord, blame: AttributionReport) -> Path:
    """Write blame.json and blame.png, and log both where the round has a run; the folder they are in."""
    folder = found.round.workspace.blamed(blame.round)
    report, picture = folder / "blame.json", folder / "blame.png"
    write_json(report, blame.to_json())
    with replacing(picture) as draft:
        plot(blame).savefig(draft, format="png", dpi=120)
    if found.past:
        run = _run(found, found.past.run_id)
        run.metrics(metrics(blame))
        run.tags({"worst": str(blame.charges[0].suspect)})
        run.artifact(report)
        run.artifact(picture, "plots")
        run.finish()
    return folder


def metrics(blame: AttributionReport) -> dict[str, float]:
    """The finding in numbers, for MLflow: what was tried, the most harmful suspect's harm, and the control's."""
    worst, control = blame.charges[0], blame.control
    numbers = {
        SUSPECTS: len(blame.charges),
        SECONDS: blame.seconds,
        HARM: worst.harm,
        f"{HARM}_p": worst.p,
        CONTROL_HARM: control.harm,
    }
    return {f"{HARM.step}/{name}": float(value) for name, value in numbers.items() if value is not None}


def _run(found: TrainingRecord, parent: str) -> RoundRun:
    """The run `blame` below the round's; asked again, it is the same run."""
    root, number = found.round.workspace.root, found.round.number
    store = tracking.client(root)
    home = tracking.experiment(store, tracking.EXPERIMENT, root)
    identity = {"mlflow.parentRunId": parent, "step": "blame"}
    run_id = tracking.find_or_create(store, home, "blame", identity, {"round": str(number)})
    return RoundRun(root, store, home, run_id, number)
