"""What the round learned from is what the candidate is judged on."""

from evaluation.drift import ALARMS
from evaluation.drift.prompts import PROMPT_AUC, PROMPT_LENGTH_PSI, PROMPT_TOPIC_PSI
from evaluation.drift.stream import AGREEMENT_DROP
from evaluation.gates import Gate
from evaluation.verdict import Finding, GateInputs

PREFIX, ALARM = f"{ALARMS.step}/", "_alarm"

HOLDING = (PROMPT_AUC, PROMPT_TOPIC_PSI, PROMPT_LENGTH_PSI, AGREEMENT_DROP)


class DriftGate(Gate):
    """Prompts and votes are like those that the champion learned from."""

    alarms: tuple[str, ...] = tuple(map(str, HOLDING))
    """Checks of the step `drift` that hold a candidate back; the others are to be looked at, and hold nothing."""

    def check(self, evidence: GateInputs) -> Finding:
        """Hold till a person has looked: held-out prompts of before say little about those of today."""
        metrics = evidence.candidate
        if ALARMS.full not in metrics:
            return self.found("hold", "nobody looked for drift")
        looked = [name for name in self.alarms if f"{PREFIX}{name}{ALARM}" in metrics]
        effects = {name: metrics[PREFIX + name] for name in looked}
        if raised := [name for name in looked if metrics[f"{PREFIX}{name}{ALARM}"]]:
            said = ", ".join(f"{name} {effects[name]:.3g} (p {metrics[f'{PREFIX}{name}_p']:.2g})" for name in raised)
            return self.found("hold", f"drift from what the champion learned from: {said}", **effects)
        if not looked:
            return self.found("promote", "the champion learned from too little to compare with")
        return self.found("promote", f"no drift in {', '.join(looked)}", **effects)
