"""No single criterion is traded away for the overall impression."""

from pydantic import Field

from core.intervals import holm
from tasks.evidence import Evidence, Finding
from tasks.gates import Gate, percent

PREFIX = "evaluate/criterion_"


class Criteria(Gate):
    """Under no criterion does the candidate lose beyond chance, p-values adjusted for looking at all of them (Holm)."""

    level: float = Field(0.05, gt=0, lt=1)
    """Adjusted p-value below which a loss is no chance."""
    min_votes: int = Field(50, ge=1)
    """Fresh votes below which a criterion is not judged."""

    def check(self, evidence: Evidence) -> Finding:
        """Reject where a criterion is lost, hold where one has too few votes to tell."""
        metrics = evidence.candidate
        names = criteria(evidence)
        if not names and evidence.trust_judge and "evaluate/votes" not in evidence.candidate:
            return self.found("promote", "no fresh votes, and the judge model, which is trusted, knows no criteria")
        if not names:
            return self.found("hold", "no fresh vote names a criterion: collect some that do, or leave this gate out")
        rates = {name: metrics[PREFIX + name] for name in names}
        adjusted = dict(zip(names, holm([metrics[f"{PREFIX}{name}_p"] for name in names]), strict=True))
        lost = [name for name in names if rates[name] < 0.5 and adjusted[name] < self.level]
        few = [name for name in names if metrics[f"{PREFIX}{name}_votes"] < self.min_votes]
        if lost:
            worst = ", ".join(f"{name}: {percent(rates[name])} of the votes (p {adjusted[name]:.2g})" for name in lost)
            return self.found("reject", f"the candidate loses beyond chance under {worst}", **rates)
        if few:
            return self.found("hold", f"fewer than {self.min_votes} fresh votes on {', '.join(few)}", **rates)
        return self.found("promote", f"no loss beyond chance under {', '.join(names)}", **rates)


def criteria(evidence: Evidence) -> list[str]:
    """The criteria that fresh votes named, in alphabetical order."""
    found = [name.removeprefix(PREFIX) for name in evidence.candidate if name.startswith(PREFIX)]
    return sorted(n for n in found if {f"{PREFIX}{n}_p", f"{PREFIX}{n}_votes"} <= evidence.candidate.keys())
