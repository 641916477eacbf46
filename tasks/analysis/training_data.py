"""The feedback that the reward model of a finished round was trained on, while this workspace still has it."""

from collections.abc import Sequence
from typing import NamedTuple

from core.errors import BadWorkspace, NotFound
from feedback import forgotten, preferences, prompts, store
from feedback.measured import CURATE_NEAR_COPIES, CURATE_NOT_ALLOWED, CURATE_TRAIN
from feedback.near_copies import NearCopies
from feedback.rows import PreferenceRow
from feedback.split import SplitName
from feedback.stored import Event, StoredEvent
from feedback.votes import first_rounds
from tasks.registry.archive import FEEDBACK_PURGED, Archive, PastRound
from tasks.state import round as rounds
from tasks.state import templates
from tasks.state.round import Round
from tasks.state.workspace import Workspace
from tasks.steps.curate import CurateSettings, permitted_events
from tasks.tools import lines
from tasks.tools.versioning import DataGraph


class TrainingRecord(NamedTuple):
    """The frozen inputs of a round, and the feedback up to it."""

    round: Round
    past: PastRound | None
    """Its MLflow run; None in the folder of a replay, which has no run."""
    events: list[StoredEvent]
    """All feedback that rounds up to this one took in, and whose prompts the chat template takes."""

    def preferences(self, events: Sequence[Event] | None = None) -> list[PreferenceRow]:
        """The pairs that `curate` made of the round's feedback, or would make of `events`."""
        knobs = self.round.knobs("curate", CurateSettings)
        used = self.events if events is None else events
        rows = preferences.preferences(
            used, knobs.split, self.round.salt, knobs.criterion, knobs.min_rating_difference
        ).rows
        if self.past and CURATE_NEAR_COPIES.full not in self.past.metrics:
            return rows  # of a version that left no copies out
        copies = NearCopies(prompts.prompts(used, knobs.split, self.round.salt), first_rounds(used))
        return [row for row in rows if not copies.has(row)]


def material(workspace: Workspace, round_name: str) -> TrainingRecord:
    """The training record of a round by number, key or run, in its workspace or in the folder of its replay.

    Raises:
        NotFound: no such round, its saved files are gone, or it trained no reward model.
        BadWorkspace: the workspace no longer has its feedback.
    """
    round, past = _find(workspace, round_name)
    if round.number == 0:
        raise NotFound("round 0 trains no reward model; name a later round")
    kept = forgotten.kept(store.stored(workspace.feedback), round.forgotten)
    stored = (event for event in kept if event.round <= round.number)
    taken = templates.check(round, stored).taken
    if past is None or CURATE_NOT_ALLOWED.full in past.metrics:  # an older version left nothing out for its terms
        taken = permitted_events(round, taken).events
    record = TrainingRecord(round, past, taken)
    pairs = len(of_split(record.preferences(), "train"))
    if past and FEEDBACK_PURGED in past.tags:
        when = past.tags[FEEDBACK_PURGED]
        raise BadWorkspace(f"{past.name}: feedback that it was trained on was purged {when}; name another round")
    if past and pairs != past.metrics.get(CURATE_TRAIN.full):
        raise BadWorkspace(
            f"{past.name} was trained on {past.metrics.get(CURATE_TRAIN.full, 0):.0f} pairs, but the feedback in "
            f"{workspace.feedback} gives {pairs}; {_cure(round)}"
        )
    return record


def of_split(rows: Sequence[PreferenceRow], split: SplitName) -> list[PreferenceRow]:
    """The rows of one split."""
    return [row for row in rows if row.split == split]


def check_sft(record: TrainingRecord) -> None:
    """Check that the workspace still holds the SFT model that the round's reward model started from.

    Raises:
        BadWorkspace: it holds another SFT model.
    """
    workspace = record.round.workspace
    path = workspace.name(workspace.checkpoint("sft"))
    then = next((output.md5 for output in record.past.outputs if output.path == path), None) if record.past else None
    now = DataGraph(workspace.root).hashes().get("sft", {}).get(path)
    if now is None or (record.past and then != now):
        raise BadWorkspace(
            f"round {record.round.number} started from another SFT model than the one in "
            f"{workspace.checkpoint('sft')}; {_cure(record.round)}"
        )


def _find(workspace: Workspace, round_name: str) -> tuple[Round, PastRound | None]:
    archive = Archive(workspace.root, lines.chosen(workspace.root))
    try:
        past = archive.finished(round_name)
    except NotFound:
        replayed = _replayed(workspace)
        if replayed is None or round_name != str(replayed.number):
            raise
        return replayed, None
    with archive.saved(past) as saved:
        return rounds.frozen(workspace, saved.inputs), past


def _replayed(workspace: Workspace) -> Round | None:
    """The round of this folder if its reward model was trained here and MLflow has no run of it."""
    trained = workspace.round.exists() and "reward" in DataGraph(workspace.root).recorded()
    return rounds.read(workspace) if trained else None


def _cure(round: Round) -> str:
    number = round.number
    return f"replay it with `rounds replay {number} --into DIR`, then run the same command with `--workspace DIR`"
