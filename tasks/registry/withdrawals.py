"""Withdrawn and corrected feedback, as lines of the audit log: one per part of the feedback store."""

from collections import Counter
from pathlib import Path

from feedback.withdrawals import Withdrawal, withdrawals
from tasks.registry import audit

EVENT = "withdrawal"


def note(log: Path, folder: Path, round: int) -> None:
    """Log the withdrawals of each part of the round that are not logged yet.

    A part is written once, so there is one line even if the round is killed and ingests again.
    """
    logged = {entry.facts["batch"] for entry in audit.read(log) if entry.event == EVENT}
    for part, withdrawn in withdrawals(folder, round).items():
        if part not in logged:
            audit.append(log, EVENT, "rounds", round=round, batch=part, **_facts(withdrawn))


def _facts(withdrawn: list[Withdrawal]) -> audit.Facts:
    corrected = sum(withdrawal.replaced for withdrawal in withdrawn)
    annotators = Counter(withdrawal.annotator for withdrawal in withdrawn)
    facts = {"taken_back": len(withdrawn) - corrected, "corrected": corrected}
    return {**facts, "annotators": dict(sorted(annotators.items()))}
