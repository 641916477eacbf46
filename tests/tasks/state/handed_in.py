"""Files that are handed in, and what the next round makes of them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from feedback import store
from tasks.state import inbox
from tasks.steps.ingest import ingest
from tests.tasks.steps.hand_written import Logged, opened

GOOD = {"prompt": "Is it open?", "chosen": "Until six.", "rejected": "No idea."}
BAD = {"prompt": "Is it late?", "chosen": "No."}


def lines(path: Path, *records: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def ingested(root: Path) -> tuple[dict[str, float], set[str]]:
    """The metrics of the next round's ingest, and the ids that it stored."""
    round, log = opened(root, ingest={"sources": []}), Logged()
    ingest(replace(round, inbox=tuple(file.name for file in inbox.files(round.workspace))), log)
    return log.metrics, store.ids(round.workspace.feedback)


def preference(number: int, text: str) -> dict[str, Any]:
    return {"prompt": f"Q{number}? {text}", "chosen": f"good {text}", "rejected": f"bad {text}"}
