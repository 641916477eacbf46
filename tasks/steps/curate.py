"""curate: derives training data from events: preferences, prompts and demonstrations, split by prompt group."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import Field

from core import collecting
from core.errors import BadFeedback
from core.files import replacing
from feedback import forgotten, forms, preferences, store
from feedback import prompts as prompt_rows
from feedback.agreement import Agreement
from feedback.measured import (
    CURATE_ABSTAINED,
    CURATE_AGREEMENT,
    CURATE_AGREEMENT_ALPHA,
    CURATE_CONFLICTING,
    CURATE_CORRECTIONS,
    CURATE_DEMONSTRATIONS,
    CURATE_EQUAL_ANSWERS,
    CURATE_EVENTS,
    CURATE_HOLDOUT,
    CURATE_HOLDOUT_PROMPTS,
    CURATE_INACTIVE,
    CURATE_JUDGE,
    CURATE_LEAKED,
    CURATE_MERGED,
    CURATE_NEAR_COPIES,
    CURATE_NOT_ALLOWED,
    CURATE_PROMPTS,
    CURATE_QUARANTINE_SHARE,
    CURATE_QUARANTINED,
    CURATE_REFUSED,
    CURATE_REPEATED,
    CURATE_SHARED_PAIRS,
    CURATE_TIES,
    CURATE_TRAIN,
    CURATE_UNPAIRED,
    CURATE_VOTES,
)
from feedback.near_copies import NearCopies
from feedback.outlook import outlook
from feedback.preferences import Counts, Preferences
from feedback.prompts import PromptRow
from feedback.rows import DemonstrationRow, PreferenceRow
from feedback.split import SplitSettings
from feedback.stored import Event, StoredEvent
from feedback.terms import (
    Permitted,
    UsageTerms,
    permitted,
    terms_by_source,
    usage_terms,
    with_stated,
)
from feedback.votes import first_rounds
from tasks.state import gates, tables, templates
from tasks.state.gates import StatedTermsSettings, VerdictSettings
from tasks.state.intake import IngestSettings
from tasks.state.leakage import leaked
from tasks.state.reports import CurateReport, Numbers
from tasks.state.round import Round
from tasks.state.steplog import StepLog
from tasks.state.workspace import table as path_of

SPLITS = ("train", "judge", "holdout")
SIZES = (CURATE_TRAIN, CURATE_JUDGE, CURATE_HOLDOUT)
"""The metric of each split: its number of pairs."""


class CurateSettings(StatedTermsSettings):
    """How events become training data."""

    split: SplitSettings = SplitSettings()
    """Shares of the prompt groups. Changing them after the first round moves held-out prompts into training."""
    criterion: str = "overall"
    """The criterion whose judgements the reward model learns from."""
    min_rating_difference: float = Field(forms.MIN_RATING_DIFFERENCE, gt=0, le=1)
    """Difference, as a share of the rating scale, from which two ratings of one person on answers to one prompt become
    a preference pair."""
    chosen_as_demonstrations: bool = False
    """Also use the preferred answers of the split `train` as demonstrations, for feedback that has none."""
    min_holdout: int = Field(20, ge=1)
    """Minimum number of held-out pairs. With fewer, the round stops: the reward model could not be evaluated."""


@collecting.paused()
def curate(round: Round, log: StepLog) -> None:
    """Rebuild all derived tables from the feedback store, and the data card.

    Raises:
        BadFeedback: no pair can be made of the feedback by the criterion, or of that which is allowed, or there are
            pairs, but fewer than `min_holdout` are held out.
    """
    knobs, workspace = round.knobs("curate", CurateSettings), round.workspace
    kept = forgotten.kept(store.stored(workspace.feedback), round.forgotten)
    known, refused = templates.check(round, kept)
    events, left_out, not_allowed = permitted_events(round, known)
    derived = preferences.preferences(events, knobs.split, round.salt, knobs.criterion, knobs.min_rating_difference)
    prompts = prompt_rows.prompts(events, knobs.split, round.salt)
    copies = NearCopies(prompts, first_rounds(events))
    prompts = [row for row in prompts if not copies.has(row)]
    pairs = [row for row in derived.rows if not copies.has(row)]
    demonstrations = [row for row in preferences.demonstrations(events, knobs.split, round.salt) if not copies.has(row)]
    if knobs.chosen_as_demonstrations:
        demonstrations += _preferred_answers(pairs)
    if not _pairs_expected_later(round):
        _check_pairs(round, events, derived, knobs, left_out)
        _check_holdout(pairs, knobs)
    _write_splits(workspace.preferences, {split: _of(pairs, split) for split in SPLITS}, preferences.preference_table)
    used = {row.pair_id for row in pairs}
    votes = [vote for vote in derived.votes if vote.pair_id in used]
    tables.write(path_of(workspace.preferences, "votes"), preferences.vote_table(votes))
    # reward model and judge start from one SFT model; only their preference pairs have to be disjoint
    demonstrations = [row for row in demonstrations if row.split != "holdout"]
    _write_splits(workspace.demonstrations, {"train": demonstrations}, preferences.demonstration_table)
    _write_splits(
        workspace.prompts, {split: _of(prompts, split) for split in ("train", "holdout")}, prompt_rows.prompt_table
    )
    numbers: Numbers = {
        **_counts(derived.counts),
        **_agreement(derived.agreement),
        **{metric: len(_of(pairs, split)) for metric, split in zip(SIZES, SPLITS, strict=True)},
        CURATE_DEMONSTRATIONS: len(demonstrations),
        CURATE_PROMPTS: len(_of(prompts, "train")),
        CURATE_HOLDOUT_PROMPTS: len(_of(prompts, "holdout")),
        CURATE_REFUSED: len(refused),
        CURATE_NOT_ALLOWED: not_allowed,
        CURATE_QUARANTINED: len(store.rejections(workspace.feedback)),
        **_quarantine_share(round),
        CURATE_LEAKED: leaked(workspace),
        CURATE_NEAR_COPIES: copies.count,
    }
    log(numbers, 0, 1)
    report = CurateReport(
        metrics=numbers,
        kinds=derived.counts.kinds,
        sources=terms_by_source(events),
        terms=_terms(events, pairs, demonstrations, prompts),
        left_out=left_out,
    )
    report.save(workspace.report("curate"))


def permitted_events(round: Round, events: Sequence[StoredEvent]) -> Permitted:
    """The events with what the round's knobs state of their sources; those that are not allowed are not active."""
    stated = with_stated(events, round.knobs("curate", CurateSettings).terms)
    return permitted(stated, gates.forbids(round.knobs("verdict", VerdictSettings)))


def _counts(counts: Counts) -> Numbers:
    return {
        CURATE_EVENTS: counts.events,
        CURATE_INACTIVE: counts.inactive,
        CURATE_EQUAL_ANSWERS: counts.equal_answers,
        CURATE_REPEATED: counts.repeated,
        CURATE_ABSTAINED: counts.abstained,
        CURATE_VOTES: counts.votes,
        CURATE_TIES: counts.ties,
        CURATE_MERGED: counts.merged,
        CURATE_CONFLICTING: counts.conflicting,
        CURATE_CORRECTIONS: counts.corrections,
        CURATE_UNPAIRED: sum(counts.unpaired.values()),
    }


def _agreement(agreement: Agreement | None) -> dict[str, float]:
    if agreement is None:
        return {}
    numbers: dict[str, float] = {CURATE_SHARED_PAIRS: agreement.pairs, CURATE_AGREEMENT: agreement.share}
    return numbers if agreement.alpha is None else {**numbers, CURATE_AGREEMENT_ALPHA: agreement.alpha}


def _quarantine_share(round: Round) -> dict[str, float]:
    """Share of this round's records that are in quarantine; {} if there are no records.

    Round 0 has no gates, so its records count in round 1.
    """
    folder, numbers = round.workspace.feedback, (0, 1) if round.number == 1 else (round.number,)
    quarantined = sum(len(store.rejections(folder, number)) for number in numbers)
    stored = sum(store.count(folder, number) for number in numbers)
    return {CURATE_QUARANTINE_SHARE: quarantined / (quarantined + stored)} if quarantined + stored else {}


def _terms(
    events: Sequence[Event],
    pairs: Sequence[PreferenceRow],
    demonstrations: Sequence[DemonstrationRow],
    prompts: Sequence[PromptRow],
) -> UsageTerms:
    """Licences and consents of the events that reward model, judge, SFT model or policy are trained on."""
    ids = [row.feedback_ids for row in pairs if row.split != "holdout"] + [row.feedback_ids for row in demonstrations]
    trained_on = {feedback_id for row_ids in ids for feedback_id in row_ids}
    return usage_terms(events, trained_on, {row.prompt_id for row in _of(prompts, "train")})


def _pairs_expected_later(round: Round) -> bool:
    """True in round 0, which needs no pairs, if a source will label answers in round 1."""
    return round.number == 0 and any(source.labels for source in round.knobs("ingest", IngestSettings).sources)


def _check_pairs(
    round: Round, events: Sequence[Event], derived: Preferences, knobs: CurateSettings, left_out: UsageTerms
) -> None:
    """Stop if nothing can be learned from the feedback: opening sees only its beginning."""
    if not derived.rows and left_out.licences:
        named = [f"licence {name} ({count:,} events)" for name, count in left_out.licences.items()]
        named += [f"consent {name} ({count:,} events)" for name, count in left_out.consents.items()]
        raise BadFeedback(
            "no preference pair is left without the feedback whose licence or consent is not allowed, which has "
            f"{', '.join(named)}; bring feedback that is allowed, or allow this in verdict.gates.licence"
        )
    if not derived.rows and (round.number > 0 or derived.counts.votes):
        reason = outlook(events, knobs.criterion, knobs.min_rating_difference).no_pairs()
        raise BadFeedback(reason)


def _check_holdout(pairs: Sequence[Any], knobs: CurateSettings) -> None:
    held_out = len(_of(pairs, "holdout"))
    if pairs and held_out < knobs.min_holdout:
        raise BadFeedback(
            f"only {held_out} of {len(pairs)} preference pairs are held out, need {knobs.min_holdout} "
            "(curate.min_holdout); bring more feedback or enlarge curate.split.holdout"
        )


def _preferred_answers(pairs: Sequence[PreferenceRow]) -> list[DemonstrationRow]:
    """The preferred answers as demonstrations, without duplicates; ties have no preferred answer."""
    best = {(repr(row.prompt), row.chosen): row for row in pairs if row.p_chosen > 0.5}
    return [
        DemonstrationRow(row.group, row.split, row.prompt, row.chosen, 1.0, row.feedback_ids) for row in best.values()
    ]


def _of(rows: Sequence[Any], split: str) -> list[Any]:
    return [row for row in rows if row.split == split]


def _write_splits(folder: Path, by_split: Mapping[str, Sequence[Any]], table: Callable[[Any], pa.Table]) -> None:
    """Write one file per split; the folder is replaced as a whole."""
    with replacing(folder) as draft:
        draft.mkdir()
        for split, rows in by_split.items():
            tables.write(path_of(draft, split), table(rows))
