"""Prompts and votes have not drifted since the champion was trained."""

from evaluation.drift import ALARMS
from evaluation.drift.prompts import PROMPT_AUC, PROMPT_LENGTH_PSI, PROMPT_TOPIC_PSI
from evaluation.drift.stream import AGREEMENT_DROP
from evaluation.gates import Gate
from evaluation.verdict import Finding, GateInputs

PREFIX, ALARM = f"{ALARMS.step}/", "_alarm"

HOLDING = (PROMPT_AUC, PROMPT_TOPIC_PSI, PROMPT_LENGTH_PSI, AGREEMENT_DROP)


class DriftGate(Gate):
    """Prompts and votes are distributed like those the champion was trained on."""

    alarms: tuple[str, ...] = tuple(map(str, HOLDING))
    """Checks of the step `drift` whose alarms hold the candidate; alarms of other checks are only reported."""

    def check(self, inputs: GateInputs) -> Finding:
        """Hold until a person has looked: results on older held-out prompts say little about today's."""
        metrics = inputs.candidate
        if ALARMS.full not in metrics:
            return self.finding("hold", "drift was not checked")
        checked = [name for name in self.alarms if f"{PREFIX}{name}{ALARM}" in metrics]
        effects = {name: metrics[PREFIX + name] for name in checked}
        if alarms := [name for name in checked if metrics[f"{PREFIX}{name}{ALARM}"]]:
            effects_text = ", ".join(
                f"{name} {effects[name]:.3g} (p {metrics[f'{PREFIX}{name}_p']:.2g})" for name in alarms
            )
            return self.finding("hold", f"drift from the champion's training data: {effects_text}", **effects)
        if not checked:
            return self.finding("promote", "too little data to check for drift")
        return self.finding("promote", f"no drift alarm in {', '.join(checked)}", **effects)
