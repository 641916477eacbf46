"""Why there is no task for an annotator."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, NamedTuple

from tasks.people import labelling
from tasks.people.label_settings import LabelSettings
from tasks.state import intake
from tasks.state.workspace import Workspace

if TYPE_CHECKING:
    from feedback.store.database import Database

Reason = Literal["held", "left_to_others", "done", "not_filled", "no_champion", "not_collected", "no_answers"]


class WhyNothing(NamedTuple):
    """Why an annotator has no task.

    | reason | what is so | what brings tasks |
    |---|---|---|
    | held | others hold all items that are left for this annotator | `until`: then, items that they did not judge |
    | left_to_others | judgements are wanted of others: this annotator has had all items | new items |
    | done | every item has the judgements that it wants | new items |
    | not_filled | no queue has items, and `label.fill` is empty | `rounds label add` |
    | no_champion | no queue has items, and there is no champion whose answers could be judged | the first round |
    | not_collected | no queue has items, and rounds collect no answers | the source `label_page` in `ingest.sources` |
    | no_answers | no queue has items, and there are no answers that become items | the next round that finishes |

    New items come with the next round that finishes, as `label.fill` says, or by `rounds label add`.
    """

    reason: Reason
    until: datetime | None = None
    """When the first item is offered that others hold, unless they judge it before; of `held` only."""


def why_nothing(
    workspace: Workspace, database: "Database", settings: LabelSettings, annotator: str, champion: bool | None
) -> WhyNothing | None:
    """Why `labelling.take` found no task for an annotator, just before; None if there is one by now, or nobody knows.

    Args:
        workspace: what is labelled.
        database: its feedback database.
        settings: what fills the queue `main`.
        annotator: who has no task.
        champion: whether there is one; None if that is not known.

    Raises:
        NoDatabase: the feedback database does not answer.
        BadParams: params.yaml cannot be read.
    """
    from feedback.store import label_queues, label_tasks  # only here: SQLAlchemy takes a second to load

    now, progress = datetime.now(UTC), labelling.progress(workspace, database, settings, annotator)
    if progress.left_for_you:
        return None
    if until := label_tasks.offered_at(database, annotator, now):
        return WhyNothing("held", until)
    if progress.left:
        return WhyNothing("left_to_others")
    if any(state.items for state in label_queues.states(database, now)):
        return WhyNothing("done")
    why = _why_empty(workspace, settings, champion)
    return WhyNothing(why) if why else None


def _why_empty(workspace: Workspace, settings: LabelSettings, champion: bool | None) -> Reason | None:
    """Why no queue has items."""
    if not settings.fill:
        return "not_filled"
    if not champion:
        return None if champion is None else "no_champion"
    if settings.fill == ("collected",) and not intake.collects(workspace):
        return "not_collected"
    return "no_answers"
