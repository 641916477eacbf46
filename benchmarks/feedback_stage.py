"""One stage of benchmarks/feedback.py in a process of its own; prints CPU seconds and memory as JSON.

    python feedback_stage.py import|ingest|again|curate WORKSPACE FILE

Only calls that also exist in older commits are used: the code that is measured is the one on PYTHONPATH.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from typing import Any

from core.files import write_text
from tasks.state import handing_in, intake
from tasks.state.round import Round
from tasks.state.steplog import StepLog
from tasks.state.workspace import Workspace
from tasks.steps.curate import curate
from tasks.steps.ingest import ingest

KIB = 1024


def taken_in(workspace: Workspace, path: Path) -> int:
    """Hand in a file, or all files of a folder, and count what waits, as `rounds feedback import` does."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    handing_in.hand_in(workspace, files)
    return intake.count(workspace).records


def step(run: Callable[[Round, StepLog], None], number: int) -> Callable[[Workspace, Path], int]:
    """A step of a round whose only source is the file."""

    def work(workspace: Workspace, path: Path) -> int:
        values: dict[str, Any] = {"ingest": {"sources": [{"use": "jsonl", "path": str(path)}]}}
        write_text(workspace.answers, "")
        numbers: dict[str, float] = {}
        round = Round(workspace, number, None, seed=0, salt="salt", champion=None, inbox=(), values=values)
        run(round, StepLog([lambda metrics, step, total=None: numbers.update(metrics)]))
        return int(numbers.get("new", numbers.get("votes", 0)))

    return work


STAGES = {"import": taken_in, "ingest": step(ingest, 1), "again": step(ingest, 2), "curate": step(curate, 2)}


def main() -> None:
    """Run the stage that is named."""
    name, workspace, path = sys.argv[1:]
    before = getrusage(RUSAGE_SELF)
    count = STAGES[name](Workspace(Path(workspace)), Path(path))
    after = getrusage(RUSAGE_SELF)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"seconds": seconds, "bytes": (after.ru_maxrss - before.ru_maxrss) * KIB, "counted": count}))


if __name__ == "__main__":
    main()
