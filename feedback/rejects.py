"""Sources of which so many records cannot be used that the round should stop: their format has probably changed."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from feedback.schema import RejectedRecord

MIN_RECORDS = 50
"""Records that a source needs to be judged by the share of those that cannot be used."""
REASONS = 5
"""Number of reasons that a message names."""


class SourceCount(NamedTuple):
    """What one source gave."""

    source: str
    records: int
    """All records, usable or not."""
    rejected: Sequence[RejectedRecord]

    def exceeds(self, limit: float) -> bool:
        """Whether the share of records that cannot be used reaches the limit."""
        return self.records >= MIN_RECORDS and len(self.rejected) >= limit * self.records

    def __str__(self) -> str:
        """The count by reason, each with its first record."""
        first = {record.reason: record.where for record in reversed(self.rejected)}
        reasons = Counter(record.reason for record in self.rejected).most_common()
        lines = [f"{count} × {reason} (first: {first[reason]})" for reason, count in reasons[:REASONS]]
        if len(reasons) > REASONS:
            lines.append(f"{sum(count for _, count in reasons[REASONS:])} for {len(reasons) - REASONS} other reasons")
        counted = "".join(f"\n  {line}" for line in lines)
        return f"source {self.source}: {len(self.rejected)} of {self.records} records cannot be used:{counted}"
