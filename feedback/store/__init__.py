"""The feedback store: append-only Parquet parts, a public function for each way of reading and adding to them."""

from feedback.store.draft import AppendResult, Draft, append
from feedback.store.parquet import (
    batches,
    count,
    digest,
    events,
    first,
    groups,
    ids,
    parts,
    prompts,
    quarantine,
    quarantine_folder,
    read,
    rejections,
    size,
    stored,
    with_ids,
)

__all__ = [
    "AppendResult",
    "Draft",
    "append",
    "batches",
    "count",
    "digest",
    "events",
    "first",
    "groups",
    "ids",
    "parts",
    "prompts",
    "quarantine",
    "quarantine_folder",
    "read",
    "rejections",
    "size",
    "stored",
    "with_ids",
]
