"""The candidate has not collapsed onto a few answers."""

from pydantic import Field

from tasks.evidence import Evidence, Finding
from tasks.gates import Gate

DISTINCT, BLEU = (
    ("evaluate/distinct_2", "evaluate/champion_distinct_2"),
    ("evaluate/self_bleu", "evaluate/champion_self_bleu"),
)


class Diversity(Gate):
    """Its answers repeat hardly more of each other than the champion's: distinct-2 and self-BLEU."""

    distinct: float = Field(0.8, ge=0, le=1)
    """Least distinct-2, as a multiple of the champion's."""
    self_bleu: float = Field(0.05, ge=0, le=1)
    """Most by which self-BLEU may rise over the champion's."""

    def check(self, evidence: Evidence) -> Finding:
        """Reject what lost its variety by either measure; hold where it was not measured."""
        metrics = evidence.candidate
        if not {*DISTINCT, *BLEU} <= metrics.keys():
            return self.found("hold", "the answers' variety was not compared with the champion's")
        ours, theirs = (metrics[name] for name in DISTINCT)
        alike, before = (metrics[name] for name in BLEU)
        kept = ours >= self.distinct * theirs and alike - before <= self.self_bleu
        said = (
            f"distinct-2 is {ours:.3f} (champion {theirs:.3f}, need {self.distinct:g} of it), "
            f"self-BLEU {alike:.3f} (champion {before:.3f}, may rise by {self.self_bleu:g})"
        )
        return self.found("promote" if kept else "reject", said, distinct_2=ours, self_bleu=alike)
