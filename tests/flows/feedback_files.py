"""Feedback in files, written by tests."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from core.files import digest
from feedback import world
from feedback.sources.jsonl import source_name
from feedback.world import CustomerRequest
from feedback.world.catalogue import CLOSERS, ITEMS, OPENERS
from tasks.state import receipts
from tasks.state.receipts import Receipt
from tasks.state.workspace import Workspace

SHALLOW = f"{OPENERS[0]} {CLOSERS[0]}"
"""A polite, short, irrelevant answer."""


def write(path: Path, records: Iterable[Mapping[str, object]]) -> Path:
    """JSON lines."""
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def imported(workspace: Workspace, name: str, records: Iterable[Mapping[str, object]], **stated: Any) -> Path:
    """A file in the inbox as `rounds feedback import` puts it there, under a name of the test's choice."""
    workspace.inbox.mkdir(parents=True, exist_ok=True)
    file = write(workspace.inbox / name, records)
    receipts.add(workspace, Receipt(name=name, sha256=digest(file), source=source_name(file), **stated))
    return file


def requests(items: int) -> list[CustomerRequest]:
    """Every plain question about some items."""
    known = set(ITEMS[:items])
    drawn = sorted(world.prompts(200_000, seed=0))
    return [request for request in drawn if request.item in known and not request.prefix and not request.suffix]


def demonstrations(asked: Iterable[CustomerRequest]) -> list[dict[str, str]]:
    """Two people answer each question well, and one is only polite: a model that imitates them does both."""
    return [
        {"prompt": request.text, "completion": answer}
        for request in asked
        for answer in (world.best(request), world.best(request), SHALLOW)
    ]


def shallow_votes(asked: Iterable[CustomerRequest]) -> list[dict[str, str]]:
    """Votes of people who like it polite and short, and do not read what the answer says."""
    return [{"prompt": r.text, "chosen": SHALLOW, "rejected": world.best(r)} for r in asked]
