"""Metrics of the steps `collect`, `ingest`, `curate` and `vote`.

The steps measure them. They are declared here, because gates read them and must not import steps.
"""

from core.metrics import Metric

COLLECT_ANSWERS = Metric(
    "answers",
    "collect",
    "answers",
    "none",
    "Answers sampled from the champion so far, `collect.answers` per prompt. Worry when it stays at 0: no source "
    "labels answers, or there is no champion yet.",
)
COLLECT_TOKENS = Metric(
    "tokens",
    "collect",
    "tokens",
    "down",
    "Tokens in these answers. The gate `cost` sums them over the steps.",
)
INGEST_NEW = Metric(
    "new",
    "ingest",
    "events",
    "up",
    "Events stored for the first time. Worry at 0: the round trains on old feedback only.",
)
INGEST_REPEATED = Metric(
    "repeated",
    "ingest",
    "events",
    "none",
    "Events that were already stored with the same content.",
)
INGEST_QUARANTINED = Metric(
    "quarantined",
    "ingest",
    "records",
    "down",
    "Records that could not be used in this round, stored in `data/feedback/quarantine/` with the reason. Worry "
    "when the share from one source rises sharply: its format has probably changed.",
)
CURATE_EVENTS = Metric(
    "events",
    "curate",
    "events",
    "up",
    "All events in the feedback store.",
)
CURATE_INACTIVE = Metric(
    "inactive",
    "curate",
    "events",
    "none",
    "Events that are withdrawn, quarantined or superseded. They are not used.",
)
CURATE_VOTES = Metric(
    "votes",
    "curate",
    "votes",
    "up",
    "Votes that count, over all criteria.",
)
CURATE_TIES = Metric(
    "ties",
    "curate",
    "votes",
    "none",
    "Votes that count and are ties.",
)
CURATE_REPEATED = Metric(
    "repeated",
    "curate",
    "votes",
    "down",
    "Votes that the same person replaced by a later vote on the same pair. Only the last vote counts.",
)
CURATE_ABSTAINED = Metric(
    "abstained",
    "curate",
    "votes",
    "down",
    "Votes that abstain (`skip`, `cannot_judge`, `not_rankable`), at most one per person, pair and criterion; they are "
    "not in `curate/votes`. Worry when it grows: the guideline may be unclear.",
)
CURATE_EQUAL_ANSWERS = Metric(
    "equal_answers",
    "curate",
    "pairs",
    "down",
    "Pairs dropped because both answers have the same text. Worry when it grows: the policy's answers are becoming "
    "less diverse.",
)
CURATE_MERGED = Metric(
    "merged",
    "curate",
    "votes",
    "none",
    "Votes merged into an existing row: votes on two different answers, minus the number of rows.",
)
CURATE_CONFLICTING = Metric(
    "conflicting",
    "curate",
    "rows",
    "down",
    "Rows with votes for both answers. Divided by the number of rows with more than one vote, it is the rate of "
    "disagreement between annotators.",
)
CURATE_CORRECTIONS = Metric(
    "corrections",
    "curate",
    "rows",
    "none",
    "Rows in which an edited answer is preferred over its original. Worry when they are most of the rows: the reward "
    "model may learn that text by people is better, whatever it says.",
)
CURATE_UNPAIRED = Metric(
    "unpaired",
    "curate",
    "events",
    "down",
    "Ratings, thumbs, critiques and labels of which no preference pair could be made; only their prompts are used. "
    "Worry when it is nearly all of them: see `What each form trains` in docs/feedback.md.",
)
CURATE_TRAIN = Metric(
    "train",
    "curate",
    "pairs",
    "up",
    "Pairs for training the reward model, under `curate.criterion`.",
)
CURATE_JUDGE = Metric(
    "judge",
    "curate",
    "pairs",
    "up",
    "Pairs for training the judge model. No prompt group is in more than one split.",
)
CURATE_HOLDOUT = Metric(
    "holdout",
    "curate",
    "pairs",
    "up",
    "Held-out pairs; no model is trained on them. Worry under 100: the gate `reward_accuracy` holds.",
)
CURATE_DEMONSTRATIONS = Metric(
    "demonstrations",
    "curate",
    "rows",
    "up",
    "Distinct demonstrations, for SFT.",
)
CURATE_PROMPTS = Metric(
    "prompts",
    "curate",
    "prompts",
    "up",
    "Distinct prompts for training the policy.",
)
CURATE_HOLDOUT_PROMPTS = Metric(
    "holdout_prompts",
    "curate",
    "prompts",
    "up",
    "Distinct held-out prompts, for the evaluation. Worry under 200: they cannot yield enough fresh votes.",
)
CURATE_QUARANTINED = Metric(
    "quarantined",
    "curate",
    "records",
    "down",
    "Records in quarantine, over all rounds.",
)
CURATE_QUARANTINE_SHARE = Metric(
    "quarantine_share",
    "curate",
    "share",
    "down",
    "Share of this round's records that are in quarantine. Left out if the round has no records. The gate "
    "`data_quality` holds above .05.",
    rare=True,
)
CURATE_NOT_ALLOWED = Metric(
    "not_allowed",
    "curate",
    "events",
    "0",
    "Active events that state a licence or consent that the gate `licence` does not allow. They, and what they "
    "supersede, are left out of training and evaluation; `left_out` in data/reports/curate.json counts them by licence "
    "and consent. Worry when it grows: people withhold their consent.",
)
CURATE_REFUSED = Metric(
    "refused",
    "curate",
    "events",
    "0",
    "Stored events whose prompt the chat template of `model.base` refuses, for example because of a system turn. They "
    "are left out of training and evaluation; `curate/events` does not count them. The gate `data_quality` holds above "
    "a share of .05. New records of this kind are quarantined by `ingest`.",
)
CURATE_LEAKED = Metric(
    "leaked",
    "curate",
    "rows",
    "0",
    "Rows whose prompt or prompt group also occurs in a split that must not share it: held-out pairs and prompts "
    "must share nothing with training data, near-identical prompts included, and the judge's pairs nothing with the "
    "reward model's. The gate `data_quality` rejects above 0.",
)
CURATE_NEAR_COPIES = Metric(
    "near_copies",
    "curate",
    "prompts",
    "0",
    "Prompts that are near-identical to one of another group on the other side of the holdout, and are left out with "
    "their pairs and demonstrations: whichever arrived in a later round, and of one round the training prompt. There "
    "are some where a prompt is near two known groups, or a record that was imported with `--trust` states a "
    "`prompt_group`.",
)
CURATE_SHARED_PAIRS = Metric(
    "shared_pairs",
    "curate",
    "pairs",
    "up",
    "Pairs with votes from at least two people, under `curate.criterion`. If there are none, this metric and the "
    "next two are left out.",
    rare=True,
)
CURATE_AGREEMENT = Metric(
    "agreement",
    "curate",
    "share",
    "up",
    "Percentage agreement: probability that two votes on the same pair are equal. A tie is a category of its own.",
    rare=True,
)
CURATE_AGREEMENT_ALPHA = Metric(
    "agreement_alpha",
    "curate",
    "none",
    "up",
    "Krippendorff's alpha for interval data (Krippendorff 2011; one answer 1, the other 0, tie .5): 1 is perfect "
    "agreement, 0 is chance level. Worry under .1: the gate `data_quality` holds.",
    rare=True,
)
VOTE_CAST = Metric(
    "cast",
    "vote",
    "votes",
    "up",
    "Fresh votes cast on these answers, including votes that were later replaced by the same person.",
)
VOTE_ANNOTATORS = Metric(
    "annotators",
    "vote",
    "annotators",
    "up",
    "Annotators who cast these votes.",
)
VOTE_QUARANTINED = Metric(
    "quarantined",
    "vote",
    "records",
    "0",
    "Records that are not a valid vote on one of the round's pairs.",
)
