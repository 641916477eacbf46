"""The program of one of the processes that a step runs in.

    python -m tasks.rounds.rank STEP WORKSPACE

`models.launcher` starts it, after `tasks.rounds.launched` asked for it. The first rank reports and writes files; the
round's own process holds the lock, records the step and sends the metrics on.
"""

import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from models import launcher, launching, ranks, token_counts
from models.machine import peak_memory
from tasks import steps
from tasks.rounds.launched import RankReport
from tasks.state import round as rounds
from tasks.state.steplog import StepLog
from tasks.state.workspace import Workspace

PACKAGES = ("torch", "transformers", "peft", "safetensors")
"""Packages of which all machines need the same version."""


def main(arguments: Sequence[str]) -> None:
    """Run the step as one of several processes."""
    name, root = arguments
    round = rounds.read(Workspace(Path(root)))
    ranks.agree(
        {
            "round": f"{round.number} with the seed {round.seed}",
            "code of rounds": rounds.code_digest(),
            **{package: version(package) for package in PACKAGES},
        }
    )
    log = StepLog()

    def tell(metrics: Mapping[str, float], step: int | None, total: int | None = None) -> None:
        if not ranks.current().first:
            return
        tokens = token_counts.so_far()
        report = RankReport(
            sampled=tokens.sampled,
            trained=tokens.trained,
            learning=log.learning_seconds,
            memory=peak_memory(),
            metrics=metrics,
            step=step,
            total=total,
        )
        launching.report(round.workspace.ranks(name), report.to_json())

    log.add(tell)
    steps.prepare(round, name)
    steps.find(name)(round, log)
    tell({}, None)


if __name__ == "__main__":
    launcher.run_rank(lambda: main(sys.argv[1:]))
