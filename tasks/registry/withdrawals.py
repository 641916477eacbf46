"""What people took back or corrected, as lines of the audit log: one a batch of feedback that a round took in."""

from collections import Counter
from pathlib import Path

from feedback.withdrawals import Withdrawal, withdrawals
from tasks.registry import audit

EVENT = "withdrawal"


def note(log: Path, folder: Path, round: int) -> None:
    """Write down what each batch of the round took back, where it is not written yet.

    A batch is a part of the feedback store, which is written once: however often a round is killed and ingests again,
    there is one line.
    """
    noted = {entry.facts["batch"] for entry in audit.read(log) if entry.event == EVENT}
    for batch, taken in withdrawals(folder, round).items():
        if batch not in noted:
            audit.append(log, EVENT, "rounds", round=round, batch=batch, **_facts(taken))


def _facts(taken: list[Withdrawal]) -> audit.Facts:
    corrected = sum(one.replaced for one in taken)
    annotators = Counter(one.annotator for one in taken)
    facts = {"taken_back": len(taken) - corrected, "corrected": corrected}
    return {**facts, "annotators": dict(sorted(annotators.items()))}
