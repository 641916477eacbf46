"""What the steps `collect`, `ingest`, `curate` and `vote` count about feedback, declared for all who read it.

The steps measure it; the declarations are here because gates, which lie below the steps, read them.
"""

from core.metrics import Metric

COLLECT_ANSWERS = Metric(
    "answers",
    "collect",
    "answers",
    "none",
    "Answers that the champion has given so far, two to a prompt. Worry when it stays at 0: no source labels "
    "answers, or there is no champion yet.",
)
COLLECT_TOKENS = Metric(
    "tokens",
    "collect",
    "tokens",
    "down",
    "Tokens of these answers. The gate `cost` adds them up over the steps.",
)
INGEST_NEW = Metric(
    "new",
    "ingest",
    "records",
    "up",
    "Events stored for the first time. Worry at 0: the round learns from old feedback only.",
)
INGEST_REPEATED = Metric(
    "repeated",
    "ingest",
    "records",
    "none",
    "Events that were stored before, with the same content.",
)
INGEST_QUARANTINED = Metric(
    "quarantined",
    "ingest",
    "records",
    "down",
    "Records that could not be used in this round, kept in `data/feedback/quarantine/` with the reason. Worry "
    "when a source's share of them jumps: its format has changed.",
)
CURATE_EVENTS = Metric(
    "events",
    "curate",
    "events",
    "up",
    "Everything in the feedback store.",
)
CURATE_INACTIVE = Metric(
    "inactive",
    "curate",
    "events",
    "none",
    "Events that are withdrawn, quarantined or superseded; they count for nothing.",
)
CURATE_VOTES = Metric(
    "votes",
    "curate",
    "votes",
    "up",
    "Votes that count, under all criteria together.",
)
CURATE_TIES = Metric(
    "ties",
    "curate",
    "votes",
    "none",
    "Those of them that prefer neither answer.",
)
CURATE_REPEATED = Metric(
    "repeated",
    "curate",
    "votes",
    "down",
    "Votes that the same person cast anew on the same pair: only the last one counts.",
)
CURATE_ABSTAINED = Metric(
    "abstained",
    "curate",
    "pairs",
    "down",
    "Pairs on which a person would or could not say. Worry when it grows: the guideline may be unclear.",
)
CURATE_EQUAL_ANSWERS = Metric(
    "equal_answers",
    "curate",
    "pairs",
    "down",
    "Pairs whose two answers have the same text, dropped. Worry when it grows: the policy has lost its variety.",
)
CURATE_MERGED = Metric(
    "merged",
    "curate",
    "votes",
    "none",
    "Votes that found a row there already: `curate/votes` less the rows.",
)
CURATE_CONFLICTING = Metric(
    "conflicting",
    "curate",
    "rows",
    "down",
    "Rows with votes for either answer. As a share of rows with more than one vote it is how much people disagree.",
)
CURATE_TRAIN = Metric(
    "train",
    "curate",
    "pairs",
    "up",
    "Pairs that the reward model learns from, under `curate.criterion`.",
)
CURATE_JUDGE = Metric(
    "judge",
    "curate",
    "pairs",
    "up",
    "Pairs that the judge model learns from; no prompt group is in two parts.",
)
CURATE_HOLDOUT = Metric(
    "holdout",
    "curate",
    "pairs",
    "up",
    "Pairs that nothing learns from. Worry under 100: the gate `reward_accuracy` holds.",
)
CURATE_DEMONSTRATIONS = Metric(
    "demonstrations",
    "curate",
    "rows",
    "up",
    "Different answers to imitate.",
)
CURATE_PROMPTS = Metric(
    "prompts",
    "curate",
    "prompts",
    "up",
    "Different prompts that the policy may train on.",
)
CURATE_HOLDOUT_PROMPTS = Metric(
    "holdout_prompts",
    "curate",
    "prompts",
    "up",
    "Different prompts for the evaluation. Worry under 200: there can't be enough fresh votes.",
)
CURATE_QUARANTINED = Metric(
    "quarantined",
    "curate",
    "records",
    "down",
    "All records in quarantine, of all rounds.",
)
CURATE_QUARANTINE_SHARE = Metric(
    "quarantine_share",
    "curate",
    "share",
    "down",
    "Of the records that came in this round, those in quarantine. Left out where none came. The gate "
    "`data_quality` holds above .05.",
    rare=True,
)
CURATE_LEAKED = Metric(
    "leaked",
    "curate",
    "rows",
    "0",
    "Rows of the written tables whose prompt, or prompt group, also stands in a part they have to be kept "
    "from: held-out pairs and prompts from all that anything learns from, the judge's pairs from the reward "
    "model's. The gate `data_quality` rejects above 0.",
)
CURATE_SHARED_PAIRS = Metric(
    "shared_pairs",
    "curate",
    "pairs",
    "up",
    "Pairs with votes of two people or more, under `curate.criterion`. Left out, like the next two, where "
    "there are none.",
    rare=True,
)
CURATE_AGREEMENT = Metric(
    "agreement",
    "curate",
    "share",
    "up",
    "Probability that two votes on the same pair are alike, ties a choice of their own.",
    rare=True,
)
CURATE_AGREEMENT_ALPHA = Metric(
    "agreement_alpha",
    "curate",
    "none",
    "up",
    "Krippendorff's alpha for interval data (Krippendorff 2011; answer 1, other answer 0, tie .5): 1 is "
    "perfect, 0 is chance. Worry under .1, where the gate `data_quality` holds.",
    rare=True,
)
VOTE_CAST = Metric(
    "cast",
    "vote",
    "votes",
    "up",
    "Fresh votes that were given on these answers, those that their people changed later included.",
)
VOTE_ANNOTATORS = Metric(
    "annotators",
    "vote",
    "annotators",
    "up",
    "How many gave them.",
)
VOTE_QUARANTINED = Metric(
    "quarantined",
    "vote",
    "records",
    "0",
    "Records that are no vote on one of the round's pairs.",
)
