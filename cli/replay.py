"""A finished round run again in a folder of its own, and what came out compared with what was registered."""

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.display.progress import bars
from core.errors import RoundsError
from tasks.history.replay import Replay, replay
from tasks.state.workspace import current_or_new


class ReplayDiffers(RoundsError):
    """A replay did not give the same bytes."""


def show_replay(folder: Path | None, asked: str, into: Path, remote: str | None, judge: bool) -> None:
    """Replay a round and print whether each thing it made is identical.

    Raises:
        Differs: something is not; names it.
    """
    console = Console(highlight=False)
    with bars(console):
        done = replay(current_or_new(folder), asked, into.resolve(), remote, judge)
    console.print(_table(done))
    names = ", ".join(one.what for one in done.differing)
    if names:
        raise ReplayDiffers(
            f"{done.past.name}, replayed in {done.place.root}: {names} came out otherwise. It takes the same "
            "packages (requirements.txt), the same kind of CPU and the same number of threads (OMP_NUM_THREADS)"
        )
    console.print(f"Identical: {done.past.name}, replayed in {done.place.root}.", soft_wrap=True)


def _table(done: Replay) -> Table:
    table = Table(header_style="bold", box=None, padding=(0, 2, 0, 0))
    for column in ("", "then", "now", ""):
        table.add_column(column)
    for one in done.compared:
        table.add_row(Text(one.what), one.then[:12], one.now[:12], "identical" if one.identical else "differs")
    return table
