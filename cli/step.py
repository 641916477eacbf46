"""`rounds step NAME`: run one step of the last opened round. It imports neither the flows nor Prefect."""

from typing import Annotated

import typer

from cli.app import Folder, Panel, app
from cli.display.console import console


@app.command(rich_help_panel=Panel.ROUNDS)
def step(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A step of the round, e.g. reward.")],
    folder: Folder = None,
) -> None:
    """Run one step of the last opened round, without Prefect and with the code that opened it. dvc.yaml uses it."""
    from tasks import steps
    from tasks.state import records
    from tasks.state import round as rounds
    from tasks.state.choosing import current
    from tasks.state.steplog import StepLog

    step_, workspace, log = steps.find(name), current(folder), StepLog()
    records.check_code(workspace)
    opened = rounds.read(workspace)
    steps.run(step_, opened, log)
    took = f"{log.learning_seconds:.1f} s learning, sampling, judging"
    console().print(f"Step {name} of round {opened.number} has run: {took}.", soft_wrap=True)
