"""explain: why this score? The reward of an answer, token by token, and the training preferences nearest to it.

All it needs is a registered reward model; where the workspace also holds what that model learned from, it names the
nearest pairs.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from core.errors import BadFeedback, BadModel, BadWorkspace
from evaluation.evals import CANDIDATE, CHAMPION
from feedback.rows import PreferenceRow, Turns
from models.attribution import Attribution, attribute
from models.neighbours import nearest
from models.reward import RewardModel
from tasks.analysis.material import TrainingRecord, material, part
from tasks.registry.archive import Archive, matches_prefix
from tasks.registry.versions import ModelVersion, VersionStore
from tasks.state import tables
from tasks.state.workspace import Workspace, reward, table


class AnswerToExplain(NamedTuple):
    """Something to explain the score of."""

    title: str
    prompt: Turns
    text: str


class NearPair(NamedTuple):
    """A training pair, and how near it is."""

    row: PreferenceRow
    side: str
    """chosen or rejected: which of its answers resembles the one that is explained."""
    similarity: float
    annotators: tuple[str, ...]


class Explained(NamedTuple):
    """An answer with its explanation."""

    answer: AnswerToExplain
    attribution: Attribution
    near: tuple[NearPair, ...]


class Explanation(NamedTuple):
    """All answers that were asked about, by one reward model."""

    version: ModelVersion
    explained: tuple[Explained, ...]
    missing: str | None
    """Why no training pair is named; None where they are."""

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "reward": self.version.version,
            "round": self.version.round,
            "missing": self.missing,
            "answers": [_plain(one) for one in self.explained],
        }


def asked_version(workspace: Workspace, version: str | None, round: str | None) -> ModelVersion:
    """The reward model of a policy version, or of a round; by default the champion's.

    Raises:
        BadModel: no such version, or it was trained against no reward model.
        NotFound: no such round.
    """
    catalogue = VersionStore(workspace.root)
    if round is not None:
        past = Archive(workspace.root).finished(round)
        made = [found for found in catalogue.versions("reward") if found.run_id == past.run_id]
        if not made:
            raise BadModel(f"{past.name} registered no reward model; {_others(catalogue)}")
        return made[0]
    policy = catalogue.version(version) if version else catalogue.champion()
    if policy is None:
        raise BadModel("there is no champion yet; `rounds round` trains the first one")
    if "reward_version" not in policy.tags:
        raise BadModel(f"policy version {policy.version} was trained against no reward model; {_others(catalogue)}")
    return catalogue.version(policy.tags["reward_version"], "reward")


def pair(workspace: Workspace, version: ModelVersion, identity: str) -> list[AnswerToExplain]:
    """Both answers of a pair of that round's preferences, by the first digits of its id.

    Raises:
        BadFeedback: there is no such pair, or more than one.
        BadWorkspace: the workspace does not hold the round's feedback.
    """
    rows = material(workspace, version.run_id).preferences()
    found = [row for row in rows if matches_prefix(row.pair_id, identity)]
    if len(found) != 1:
        raise BadFeedback(
            f"{len(found)} of the {len(rows)} pairs of round {version.round} begin with {identity!r}; name one by six "
            "digits or more of its pair_id (data/preferences/*.arrow)"
        )
    [row] = found
    votes = f"{row.p_chosen:.0%} of the votes"
    return [
        AnswerToExplain(f"chosen, {votes}", row.prompt, row.chosen),
        AnswerToExplain("rejected", row.prompt, row.rejected),
    ]


def sample(workspace: Workspace, number: int) -> list[AnswerToExplain]:
    """The candidate's and the champion's answer to a prompt of the last evaluation, by its place from 0.

    Raises:
        BadWorkspace: there are no samples, or fewer, or the prompt is not here any more.
    """
    path = workspace.sampled
    samples = tables.rows(path) if path.exists() else []
    if not 0 <= number < len(samples):
        raise BadWorkspace(
            f"there is no sample {number}: {path} holds {len(samples)}, counted from 0; name one of them"
        )
    row = samples[number]
    prompt = _asked(workspace, row["prompt_id"])
    return [AnswerToExplain(who, prompt, row[f"{who}_texts"]) for who in (CANDIDATE, CHAMPION)]


def _asked(workspace: Workspace, identity: str) -> Turns:
    """All turns of a held-out prompt; the samples hold the last one alone."""
    path = table(workspace.prompts, "holdout")
    for row in tables.rows(path) if path.exists() else []:
        if row["prompt_id"] == identity:
            turns: Turns = row["prompt"]
            return turns
    raise BadWorkspace(
        f"prompt {identity} of the samples is not among those in {path}, which a later round has written; finish that "
        "round with `rounds round`"
    )


def explain(workspace: Workspace, version: ModelVersion, answers: Sequence[AnswerToExplain], count: int) -> Explanation:
    """Fetch the reward model, and explain each answer with the `count` nearest training pairs.

    Raises:
        BadModel: the registered files are gone.
        BadFeedback: an answer is empty.
    """
    model = RewardModel.load(VersionStore(workspace.root).fetch(version, reward(workspace.explained)))
    learned, missing = _learned(workspace, version)
    explained = tuple(_explained(model, answer, learned, count) for answer in answers)
    return Explanation(version, explained, missing)


def _learned(workspace: Workspace, version: ModelVersion) -> tuple[TrainingRecord | None, str | None]:
    """What the model learned from; where it is not here, why."""
    try:
        return material(workspace, version.run_id), None
    except BadWorkspace as elsewhere:
        return None, str(elsewhere)


def _explained(model: RewardModel, answer: AnswerToExplain, learned: TrainingRecord | None, count: int) -> Explained:
    near: tuple[NearPair, ...] = ()
    if learned:
        rows = part(learned.preferences(), "train")
        found = nearest(model, answer.prompt, answer.text, [row._asdict() for row in rows], count)
        people = {event.feedback_id: event.annotator_id for event in learned.events}
        near = tuple(
            NearPair(rows[one.row], one.side, one.similarity, tuple(people[i] for i in rows[one.row].feedback_ids))
            for one in found
        )
    return Explained(answer, attribute(model, answer.prompt, answer.text), near)


def _others(catalogue: VersionStore) -> str:
    rounds = ", ".join(str(found.round) for found in reversed(catalogue.versions("reward")))
    return f"those of rounds {rounds} are there (--round)" if rounds else "none is registered yet"


def _plain(one: Explained) -> dict[str, Any]:
    told = one.attribution
    near = [{**found._asdict(), "row": found.row._asdict()} for found in one.near]
    pieces = [{**piece._asdict(), "total": piece.total} for piece in told.pieces]
    return {**one.answer._asdict(), **told._asdict(), "pieces": pieces, "near": near}
