"""Models learn only from what they may learn from."""

from collections.abc import Iterable, Mapping

from evaluation.gates import Gate
from evaluation.verdict import Finding, GateInputs

UNSTATED = "none-stated"


class LicenceGate(Gate):
    """All feedback that reached training stands under an allowed licence and an allowed consent."""

    licences: tuple[str, ...] = (
        *("CC0-1.0", "PDDL-1.0", "CC-BY-4.0", "CC-BY-3.0", "CC-BY-SA-4.0", "CC-BY-SA-3.0", "ODC-By-1.0"),
        *("CDLA-Permissive-1.0", "CDLA-Permissive-2.0", "Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause"),
    )
    """SPDX names that may be trained on; add `none-stated` where all that is handed in is your own."""
    consents: tuple[str, ...] = ("opt-in", "contract", "public", "simulated")
    """What people agreed to, as events state it; add `none-stated` where you know it without."""

    def check(self, evidence: GateInputs) -> Finding:
        """Reject what is stated and not allowed; hold where nothing is stated, or nobody looked."""
        if not evidence.licences or not evidence.consents:
            return self.found("hold", "which licences and consents reached training is not known")
        refused = [
            *_outside("licence", evidence.licences, (*self.licences, UNSTATED)),
            *_outside("consent", evidence.consents, (*self.consents, UNSTATED)),
        ]
        if refused:
            return self.found("reject", f"not allowed, and learned from: {'; '.join(refused)}")
        unstated = [
            *_outside("licence", evidence.licences, self.licences),
            *_outside("consent", evidence.consents, self.consents),
        ]
        if unstated:
            cure = "state it, or allow `none-stated`"
            return self.found("hold", f"nobody said whether these may be learned from: {'; '.join(unstated)}; {cure}")
        events = sum(evidence.licences.values())
        named = f"{', '.join(evidence.licences)}, by {', '.join(evidence.consents)}"
        return self.found("promote", f"all {events:,} events learned from are allowed: {named}", events=events)


def _outside(what: str, found: Mapping[str, int], allowed: Iterable[str]) -> list[str]:
    """What is not among the allowed, each with its number of events."""
    known = set(allowed)
    return [f"{what} {name} ({count:,} events)" for name, count in found.items() if name not in known]
