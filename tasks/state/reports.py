"""What the steps of a round left for others to read: their metrics, and the time they took."""

from collections.abc import Sequence

from core.files import read_json, write_json
from tasks.state.round import Round


def metrics(round: Round, steps: Sequence[str]) -> dict[str, float]:
    """The metrics that the steps reported, each under its step's name: `evaluate/win_rate`."""
    found: dict[str, float] = {}
    for step in steps:
        path = round.workspace.report(step)
        if path.exists():
            found |= {f"{step}/{name}": value for name, value in read_json(path)["metrics"].items()}
    return found


def times(round: Round) -> dict[str, dict[str, float]]:
    """Step → seconds: `wall` of the whole step, `learning` of its learning, sampling and judging.

    Steps that ran without a flow, and not in a replay, were not timed.
    """
    path = round.workspace.metrics / "times.json"
    return read_json(path) if path.exists() else {}


def note_time(round: Round, step: str, wall: float, learning: float) -> None:
    """Keep how long a step took."""
    spent = {**times(round), step: {"wall": wall, "learning": learning}}
    write_json(round.workspace.metrics / "times.json", spent)
