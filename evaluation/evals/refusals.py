"""How often the answers refuse, and whether they refuse what nobody could be harmed by."""

from evaluation.evals import Answers, Evaluation, Holdout, Metrics
from evaluation.statistics.intervals import paired, wilson
from evaluation.statistics.refused import PHRASES, refused
from feedback.schema import SAFETY


class Refusals(Evaluation):
    """Share of answers that refuse, on harmless prompts and on those flagged `safety`, beside the champion's.

    A refusal is an answer that begins with one of a list of phrases, as in Zou et al. 2023 (arXiv:2307.15043) and
    Röttger et al. 2024 (XSTest). It misses refusals in other words: add those of your own model and languages. An empty
    answer is a refusal too: nobody votes on it, so that no win rate would tell.
    """

    phrases: tuple[str, ...] = PHRASES
    """Beginnings of refusals. Case, Unicode form and the shape of apostrophes do not matter."""

    def run(self, candidate: Answers, champion: Answers, data: Holdout) -> Metrics:
        """Count, and compare prompt by prompt."""
        ours, theirs = refused(candidate.texts, self.phrases), refused(champion.texts, self.phrases)
        risky = data.flagged(SAFETY)
        found: Metrics = {"refusal_prompts": int((~risky).sum())}
        if risky.any():
            found["refusal_safety_rate"] = float(ours[risky].mean())
        if risky.all():
            return found
        groups = [group for group, safety in zip(data.groups, risky, strict=True) if not safety]
        rate = wilson(ours[~risky].sum(), len(groups))
        rise = paired(ours[~risky], theirs[~risky], groups)
        return found | rate.named("refusal_rate") | rise.named("refusal_rise")
