"""How many fresh votes by people arrived on each day, from the ballots of all rounds: no feedback database has them."""

import json
from collections import Counter
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path

from tasks.state.workspace import Workspace

_FILES = 50_000
"""Ballots whose days are remembered: a ballot is written once, and the label page writes one for each vote."""


def a_day(workspace: Workspace, since: datetime) -> Counter[date]:
    """Day (UTC) → votes that arrived on it, replaced and withdrawn ones included.

    Args:
        workspace: its votes.
        since: a time; older ones do not count.
    """
    days: Counter[date] = Counter()
    for file in workspace.ballots.glob("*/*.jsonl"):
        modified = file.stat().st_mtime_ns
        if modified >= since.timestamp() * 1e9:
            days.update(at.date() for at in _times(file, modified) if at >= since)
    return days


@lru_cache(_FILES)
def _times(file: Path, modified: int) -> tuple[datetime, ...]:
    """When the votes of a ballot arrived, in UTC; `modified` is part of the key, since a purge writes it again."""
    votes = (json.loads(line) for line in file.read_bytes().splitlines())
    return tuple(datetime.fromisoformat(vote["ingested_at"]).astimezone(UTC) for vote in votes)
