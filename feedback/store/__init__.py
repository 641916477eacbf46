"""The feedback store: append-only Parquet parts, a public function for each way of reading and adding to them."""

from feedback.store.parquet import (
    AppendResult,
    append,
    count,
    digest,
    events,
    groups,
    ids,
    parts,
    prompts,
    quarantine,
    quarantine_folder,
    read,
    rejections,
    with_ids,
)

__all__ = [
    "AppendResult",
    "append",
    "count",
    "digest",
    "events",
    "groups",
    "ids",
    "parts",
    "prompts",
    "quarantine",
    "quarantine_folder",
    "read",
    "rejections",
    "with_ids",
]
