"""What the reward model of a finished round learned from, as long as this workspace still has it."""

from collections.abc import Sequence
from typing import NamedTuple

from core.errors import BadWorkspace
from feedback import preferences, store
from feedback.measured import CURATE_TRAIN
from feedback.rows import PreferenceRow
from feedback.schema import FeedbackEvent
from feedback.split import SplitName
from tasks.registry.archive import Archive, NotFound, PastRound
from tasks.state import round as rounds
from tasks.state.round import Round
from tasks.state.workspace import Workspace
from tasks.steps.curate import CurateSettings
from tasks.tools.versioning import DataGraph

SFT = "data/checkpoints/sft"


class TrainingRecord(NamedTuple):
    """A round's frozen inputs, and the feedback of its time."""

    round: Round
    past: PastRound | None
    """Its run; None in the folder of a replay, whose MLflow knows of none."""
    events: list[FeedbackEvent]
    """All that rounds up to this one took in."""

    def preferences(self, events: Sequence[FeedbackEvent] | None = None) -> list[PreferenceRow]:
        """The pairs that `curate` made of the round's feedback, or would have made of other events."""
        knobs = self.round.knobs("curate", CurateSettings)
        given = self.events if events is None else events
        return preferences.preferences(given, knobs.split, self.round.salt, knobs.criterion).rows


def material(workspace: Workspace, asked: str) -> TrainingRecord:
    """The material of a round by number, key or run; here, or in the folder of its replay.

    Raises:
        NotFound: no such round, or its saved files are gone.
        BadWorkspace: the round trained no reward model, or its feedback is not here any more.
    """
    round, past = _found(workspace, asked)
    if round.number == 0:
        raise BadWorkspace("round 0 trains no reward model; name a later round")
    found = TrainingRecord(
        round, past, [event for event in store.events(workspace.feedback) if event.round <= round.number]
    )
    pairs = len(part(found.preferences(), "train"))
    if past and pairs != past.metrics.get(CURATE_TRAIN.full):
        raise BadWorkspace(
            f"{past.name} learned from {past.metrics.get('curate/train', 0):.0f} pairs, the feedback in "
            f"{workspace.feedback} makes {pairs}; {_elsewhere(round)}"
        )
    return found


def part(rows: Sequence[PreferenceRow], split: SplitName) -> list[PreferenceRow]:
    """The rows of one split."""
    return [row for row in rows if row.split == split]


def check_sft(found: TrainingRecord) -> None:
    """Find out whether the workspace still holds the SFT model that the round's reward model started from.

    Raises:
        BadWorkspace: it holds another one.
    """
    then = next((output.md5 for output in found.past.outputs if output.path == SFT), None) if found.past else None
    now = DataGraph(found.round.workspace.root).hashes().get("sft", {}).get(SFT)
    if now is None or (found.past and then != now):
        raise BadWorkspace(
            f"round {found.round.number} started from another SFT model than the one in "
            f"{found.round.workspace.checkpoint('sft')}; {_elsewhere(found.round)}"
        )


def _found(workspace: Workspace, asked: str) -> tuple[Round, PastRound | None]:
    archive = Archive(workspace.root)
    try:
        past = archive.finished(asked)
    except NotFound:
        replayed = _replayed(workspace)
        if replayed is None or asked != str(replayed.number):
            raise
        return replayed, None
    with archive.saved(past) as saved:
        return rounds.frozen(workspace, saved.inputs), past


def _replayed(workspace: Workspace) -> Round | None:
    """The round of this folder, where its reward model was trained but MLflow knows of no such round."""
    trained = workspace.round.exists() and "reward" in DataGraph(workspace.root).recorded()
    return rounds.read(workspace) if trained else None


def _elsewhere(round: Round) -> str:
    number = round.number
    return (
        f"bring its data back with `rounds replay {number} --into DIR`, and ask there: the same command with "
        "`--workspace DIR`"
    )
