"""Where a finding of blame is kept: data/blame/, and a run of its own below that of the round in MLflow."""

from pathlib import Path

from core.files import replacing, write_json
from tasks.analysis.blame import AttributionReport
from tasks.analysis.blame.plot import plot
from tasks.analysis.material import TrainingRecord
from tasks.tools import tracking
from tasks.tools.tracking import RoundRun


def keep(found: TrainingRecord, blame: AttributionReport) -> Path:
    """Write blame.json and blame.png, and log both where the round has a run; the folder they are in."""
    folder = found.round.workspace.blame / f"round-{blame.round:05d}"
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
        "suspects": len(blame.charges),
        "seconds": blame.seconds,
        "harm": worst.harm,
        "harm_p": worst.p,
        "control_harm": control.harm,
    }
    return {f"blame/{name}": float(value) for name, value in numbers.items() if value is not None}


def _run(found: TrainingRecord, parent: str) -> RoundRun:
    """The run `blame` below the round's; asked again, it is the same run."""
    root, number = found.round.workspace.root, found.round.number
    store = tracking.client(root)
    home = tracking.experiment(store, tracking.EXPERIMENT, root)
    identity = {"mlflow.parentRunId": parent, "step": "blame"}
    run_id = tracking.find_or_make(store, home, "blame", identity, {"round": str(number)})
    return RoundRun(root, store, home, run_id, number)
