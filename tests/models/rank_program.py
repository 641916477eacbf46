"""A program of ranks: `python -m tests.models.rank_program KIND FOLDER`, started by `models.launcher`."""

import os
import signal
import sys
import time
from pathlib import Path

from core.errors import BadFeedback
from models import launching, ranks
from models.launcher import run_rank


def main() -> None:
    kind, folder = sys.argv[1], Path(sys.argv[2])
    here = ranks.current()
    (folder / f"{here.index}.pid").write_text(str(os.getpid()))
    total = ranks.total(here.index + 1.0)
    if here.first:
        launching.report(folder, {"total": total, "count": here.count})
    if here.index == 1:
        match kind:
            case "bad":
                raise BadFeedback("row 7 has no answer; add one")
            case "bug":
                print("about to fail", file=sys.stderr)
                raise ZeroDivisionError("one divided by nothing")
            case "killed":
                os.kill(os.getpid(), signal.SIGKILL)
    if kind == "endless":
        time.sleep(300)
    ranks.wait()  # of a rank that ended, the others notice here


if __name__ == "__main__":
    run_rank(main)
