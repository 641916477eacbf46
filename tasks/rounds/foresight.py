"""What the next round will learn from the feedback at hand. A round that could learn nothing is refused at opening."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from core.errors import BadFeedback
from feedback import forgotten, store
from feedback.outlook import Outlook, outlook
from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources import Intake
from models.policy import SCRATCH
from tasks.rounds import base
from tasks.rounds.params import RoundSettings
from tasks.state import feedback_database, inbox, records, templates, tombstones
from tasks.state.workspace import Workspace
from tasks.steps.sft import NO_DEMONSTRATIONS
from tasks.tools import traces

MAX_RECORDS = 1000
"""How many records of the store, of each source and of each file of the inbox are read."""


class Foresight(NamedTuple):
    """What the next round will learn."""

    outlook: Outlook
    complete: bool
    """False if there is more feedback than was read: then nothing can be refused."""
    labelled: bool
    """True if a source labels answers: it gives pairs from round 1 on, and perhaps demonstrations."""
    refused: dict[str, int]
    """Why the chat template of the base model refuses prompts → number of events that are left out."""

    def lines(self) -> list[str]:
        """What the round learns, and what it does not and why, one line each."""
        learned = self.outlook.learns()
        if self.labelled:
            learned.append("reward model: the votes of a source that labels answers, from round 1 on")
        learned += [f"nothing from {reason}" for reason in self.outlook.useless()]
        learned += [f"nothing from {count} events: {reason}" for reason, count in self.refused.items()]
        if self.outlook.kinds and not self.outlook.learned_pairs and not self.labelled:
            learned.append(f"no pairs: {self.outlook.no_pairs()}")
        return [f"of the first {MAX_RECORDS} records: {line}" for line in learned] if not self.complete else learned


def foresee(workspace: Workspace, params: RoundSettings) -> Foresight:
    """What the next round will learn from the first records of the store, the sources, the inbox and the database."""
    connected = traces.connected(params.ingest.sources, workspace.root)
    sources = [source for source in connected if not source.labels]
    files = inbox.sources(workspace)
    intake = Intake(round=0, seed=0)
    read = [list(islice(source.read(intake), MAX_RECORDS)) for source in (*sources, *files)]
    stored = store.first(workspace.feedback, MAX_RECORDS)
    single = feedback_database.waiting_events(workspace, MAX_RECORDS)
    events = {event.feedback_id: event for event in (*stored, *_events(read), *single)}
    known = forgotten.kept(events.values(), tombstones.forgotten(workspace))
    taken, refused = templates.divided(base.located(workspace, params.model), known)
    knobs = params.curate
    return Foresight(
        outlook(taken, knobs.criterion, knobs.min_rating_difference),
        complete=max(len(stored), len(single), *map(len, read)) < MAX_RECORDS,
        labelled=len(sources) < len(params.ingest.sources),
        refused=dict(Counter(reason for _, reason in refused).most_common()),
    )


def check(workspace: Workspace, params: RoundSettings) -> None:
    """Refuse a round that can learn nothing from the feedback at hand.

    Raises:
        BadFeedback: no pair can be made of the feedback, or a new model has no demonstrations; names the knob to set.
    """
    seen, first = foresee(workspace, params), records.last(workspace) is None
    if seen.labelled or not seen.complete:
        return
    if not seen.outlook.kinds:
        if seen.refused:
            reason, count = next(iter(seen.refused.items()))
            raise BadFeedback(
                f"all {sum(seen.refused.values())} events have prompts that the chat template of {params.model.base} "
                f"refuses, {count} of them: {reason}; name another model with -S model.base=FOLDER"
            )
        return
    only_demonstrations = seen.outlook.kinds.keys() == {"demonstration"}
    if not seen.outlook.learned_pairs and not (first and only_demonstrations):
        reason = seen.outlook.no_pairs()
        raise BadFeedback(reason)
    shown = seen.outlook.demonstrations or params.curate.chosen_as_demonstrations
    if first and params.model.base == SCRATCH and not shown:
        raise BadFeedback(NO_DEMONSTRATIONS)


def _events(read: Sequence[Sequence[FeedbackEvent | RejectedRecord]]) -> Iterator[FeedbackEvent]:
    return (record for records in read for record in records if isinstance(record, FeedbackEvent))
