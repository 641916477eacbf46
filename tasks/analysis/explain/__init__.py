"""explain: the reward of an answer, token by token, and the training preferences nearest to it.

Only a registered reward model is needed. The nearest pairs are shown if the workspace also holds the feedback that the
model was trained on.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from core.errors import BadWorkspace, NotFound
from evaluation.evals import CANDIDATE, CHAMPION
from feedback.rows import PreferenceRow, Turns
from models.attribution import Attribution, attribute
from models.neighbours import nearest
from models.reward import RewardModel
from tasks.analysis.training_data import TrainingRecord, material, of_split
from tasks.registry import absent
from tasks.registry.alias import Registry
from tasks.registry.archive import Archive, matches_prefix
from tasks.registry.versions import ModelVersion, VersionStore
from tasks.state import loading, tables
from tasks.state.workspace import Workspace, reward, table
from tasks.tools import lines


class AnswerToExplain(NamedTuple):
    """A prompt and an answer whose score is to be explained."""

    title: str
    prompt: Turns
    text: str


class NearPair(NamedTuple):
    """A training pair, and its similarity to the explained answer."""

    row: PreferenceRow
    side: str
    """`chosen` or `rejected`: which of its answers is similar to the explained one."""
    similarity: float
    annotators: tuple[str, ...]


class Explained(NamedTuple):
    """An answer with its explanation."""

    answer: AnswerToExplain
    attribution: Attribution
    near: tuple[NearPair, ...]


class Explanation(NamedTuple):
    """Explanations of one or more answers, by one reward model."""

    version: ModelVersion
    explained: tuple[Explained, ...]
    missing: str | None
    """Why no training pairs are shown; None if they are."""

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "reward": self.version.version,
            "round": self.version.round,
            "missing": self.missing,
            "answers": [_plain(explained) for explained in self.explained],
        }


def reward_version(workspace: Workspace, version: str | None, round_name: str | None) -> ModelVersion:
    """The reward model of a policy version or of a round; by default, of the champion.

    Raises:
        NotFound: no such version or round, or it was trained without a reward model.
    """
    store = _registry(workspace)
    if round_name is not None:
        past = Archive(workspace.root, store.line).finished(round_name)
        registered = [candidate for candidate in store.versions("reward") if candidate.run_id == past.run_id]
        if not registered:
            raise NotFound(f"{past.name} registered no reward model; {_available(store)}")
        return registered[0]
    policy = store.version(version) if version else store.champion()
    if policy is None:
        reason = absent.why(store)
        raise NotFound(reason)
    number = store.trust.reward_version(policy)
    if number is None:
        raise NotFound(f"policy version {policy.version} was trained without a reward model; {_available(store)}")
    return store.version(number, "reward")


def pair(workspace: Workspace, version: ModelVersion, identity: str) -> list[AnswerToExplain]:
    """Both answers of a pair of that round's preferences, by the first digits of its pair_id.

    Raises:
        NotFound: no pair matches, or more than one.
        BadWorkspace: the workspace does not hold the feedback of the round.
    """
    rows = material(workspace, version.run_id).preferences()
    matches = [row for row in rows if matches_prefix(row.pair_id, identity)]
    if len(matches) != 1:
        raise NotFound(
            f"{len(matches)} of the {len(rows)} pairs of round {version.round} begin with {identity!r}; give six "
            "or more digits of one pair_id (data/preferences/*.arrow)"
        )
    [row] = matches
    votes = f"{row.p_chosen:.0%} of the votes"
    return [
        AnswerToExplain(f"chosen, {votes}", row.prompt, row.chosen),
        AnswerToExplain("rejected", row.prompt, row.rejected),
    ]


def sample(workspace: Workspace, number: int) -> list[AnswerToExplain]:
    """The candidate's and the champion's answer to a prompt of the last evaluation, by its index from 0.

    Raises:
        NotFound: there is no such sample.
        BadWorkspace: the workspace no longer has its prompt.
    """
    path = workspace.sampled
    samples = tables.rows(path) if path.exists() else []
    if not samples:
        raise NotFound(f"there are no samples at {path}; run a round after round 0 with `rounds round`")
    if not 0 <= number < len(samples):
        raise NotFound(f"there is no sample {number}: {path} has samples 0 to {len(samples) - 1}; name one of them")
    row = samples[number]
    prompt = _prompt(workspace, row["prompt_id"])
    return [AnswerToExplain(who, prompt, row[f"{who}_texts"]) for who in (CANDIDATE, CHAMPION)]


def _prompt(workspace: Workspace, identity: str) -> Turns:
    """All turns of a held-out prompt; the samples hold only the last one."""
    path = table(workspace.prompts, "holdout")
    for row in tables.rows(path) if path.exists() else []:
        if row["prompt_id"] == identity:
            turns: Turns = row["prompt"]
            return turns
    raise BadWorkspace(
        f"prompt {identity} of the samples is not in {path}, which a later round has rewritten; finish that "
        "round with `rounds round`"
    )


def explain(workspace: Workspace, version: ModelVersion, answers: Sequence[AnswerToExplain], count: int) -> Explanation:
    """Explain the score of each answer, and find its `count` nearest training pairs.

    Raises:
        BadModel: the files of the version are missing from the registry.
        BadFeedback: an answer is empty.
    """
    model = loading.outside(workspace).reward_model(_registry(workspace).fetch(version, reward(workspace.explained)))
    training, missing = _training(workspace, version)
    explained = tuple(_explained(model, answer, training, count) for answer in answers)
    return Explanation(version, explained, missing)


def _training(workspace: Workspace, version: ModelVersion) -> tuple[TrainingRecord | None, str | None]:
    """The feedback that the model was trained on; if the workspace does not have it, the reason."""
    try:
        return material(workspace, version.run_id), None
    except BadWorkspace as error:
        return None, str(error)


def _explained(model: RewardModel, answer: AnswerToExplain, training: TrainingRecord | None, count: int) -> Explained:
    near: tuple[NearPair, ...] = ()
    if training:
        rows = of_split(training.preferences(), "train")
        neighbours = nearest(model, answer.prompt, answer.text, [row._asdict() for row in rows], count)
        people = {event.feedback_id: event.annotator_id for event in training.events}
        near = tuple(
            NearPair(
                rows[neighbour.row],
                neighbour.side,
                neighbour.similarity,
                tuple(people[i] for i in rows[neighbour.row].feedback_ids),
            )
            for neighbour in neighbours
        )
    return Explained(answer, attribute(model, answer.prompt, answer.text), near)


def _registry(workspace: Workspace) -> Registry:
    """Of the workspace's line, or of the line that `ROUNDS_LINE` names where the workspace is in none."""
    return Registry(workspace.root, lines.chosen(workspace.root))


def _available(store: VersionStore) -> str:
    rounds = ", ".join(str(version.round) for version in reversed(store.versions("reward")))
    return (
        f"choose a round that has one with --round: {rounds}"
        if rounds
        else "none is registered yet: run a round after round 0 with `rounds round`"
    )


def _plain(explained: Explained) -> dict[str, Any]:
    attribution = explained.attribution
    near = [{**pair._asdict(), "row": pair.row._asdict()} for pair in explained.near]
    pieces = [{**piece._asdict(), "total": piece.total} for piece in attribution.pieces]
    return {**explained.answer._asdict(), **attribution._asdict(), "pieces": pieces, "near": near}
