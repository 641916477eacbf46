"""When two records are one event: an id names one content, whether it is stored in a part or in the database."""

import hashlib
import json

from feedback.schema import FeedbackEvent, RejectedRecord, version_1_id

# Fields that may differ when the same record is read twice: they depend on the time, the file and the other records.
_CIRCUMSTANCES = {"ingested_at", "round", "prompt_group", "source", "source_sha256"}


def content(event: FeedbackEvent) -> str:
    """SHA-256 (hex) of the fields that are the same whenever the record is read, and by whichever version.

    Version and id of the prompt are those of schema version 1: the database keeps hashes that version 1 made.
    """
    fields = event.model_dump(mode="json", exclude=_CIRCUMSTANCES)
    fields["schema_version"] = 1
    fields["prompt_id"] = version_1_id(event.prompt)
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def changed(event: FeedbackEvent) -> RejectedRecord:
    """The rejection of an event with the id of another one: the stored one stays."""
    return RejectedRecord(
        source=event.source,
        where=event.source_id,
        reason=f"feedback_id {event.feedback_id} is already stored with other content; give a correction an id of "
        "its own and name the old one in `supersedes`",
        record=event.model_dump_json(exclude={"ingested_at", "round"}),  # else every round would add it again
    )
