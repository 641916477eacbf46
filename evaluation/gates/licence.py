"""Models are trained only on data whose licence and consent allow it."""

from collections.abc import Iterable, Mapping

from evaluation.gates import Gate
from evaluation.verdict import Finding, GateInputs
from feedback.terms import UNSTATED

OWN = "own"
"""The licence of feedback that belongs to whoever runs the workspace."""


class LicenceGate(Gate):
    """All feedback used in training has an allowed licence and an allowed consent."""

    licences: tuple[str, ...] = (
        *("CC0-1.0", "PDDL-1.0", "CC-BY-4.0", "CC-BY-3.0", "CC-BY-SA-4.0", "CC-BY-SA-3.0", "ODC-By-1.0"),
        *("CDLA-Permissive-1.0", "CDLA-Permissive-2.0", "Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause"),
    )
    """SPDX identifiers allowed in training, in addition to `own`, which the server states by default; add `none-stated`
    if all feedback without a licence is your own."""
    consents: tuple[str, ...] = ("opt-in", "contract", "public", "simulated")
    """Consents allowed in training, as events state them; add `none-stated` if consent is documented elsewhere."""

    def forbids(self, licence: str, consent: str) -> bool:
        """Whether feedback states a licence or a consent that is not allowed: `curate` leaves it out of training."""
        return licence not in (*self.licences, OWN, UNSTATED) or consent not in (*self.consents, UNSTATED)

    def check(self, inputs: GateInputs) -> Finding:
        """Reject what is stated but not allowed; hold if a licence or consent is not stated, or was not checked."""
        if not inputs.licences or not inputs.consents:
            return self.finding("hold", "the licences and consents of the training data are not known")
        licences = (*self.licences, OWN)
        forbidden = [
            *_not_allowed("licence", inputs.licences, (*licences, UNSTATED)),
            *_not_allowed("consent", inputs.consents, (*self.consents, UNSTATED)),
        ]
        if forbidden:
            return self.finding("reject", f"trained on data that is not allowed: {'; '.join(forbidden)}")
        unstated = [
            *_not_allowed("licence", inputs.licences, licences),
            *_not_allowed("consent", inputs.consents, self.consents),
        ]
        if unstated:
            cure = (
                "state it for the source of the feedback, as in "
                "-S 'curate.terms={http: {licence: own, consent: opt-in}}', or allow `none-stated`"
            )
            return self.finding("hold", f"not stated: {'; '.join(unstated)}; {cure}")
        events = sum(inputs.licences.values())
        named = f"{', '.join(inputs.licences)}, by {', '.join(inputs.consents)}"
        return self.finding("promote", f"all {events:,} training events are allowed: {named}", events=events)


def _not_allowed(kind: str, counts: Mapping[str, int], allowed: Iterable[str]) -> list[str]:
    """The names that are not allowed, each with its number of events."""
    known = set(allowed)
    return [f"{kind} {name} ({count:,} events)" for name, count in counts.items() if name not in known]
