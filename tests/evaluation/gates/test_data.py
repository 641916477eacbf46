"""Gates on the data: quality, licences, annotators, drift."""

import pytest

from evaluation.evals import Metrics
from evaluation.gates.annotators import AnnotatorsGate
from evaluation.gates.data_quality import DataQualityGate
from evaluation.gates.drift import DriftGate
from evaluation.gates.licence import LicenceGate
from evaluation.statistics.annotators import AnnotatorAgreement
from evaluation.verdict import GateInputs, Result
from tests.evaluation.gates.findings import check


def data(**numbers: float) -> Metrics:
    return {f"curate/{name}": number for name, number in {"leaked": 0, "quarantine_share": 0.0, **numbers}.items()}


@pytest.mark.parametrize(
    ("measured", "result", "why"),
    [
        (data(), "promote", "nothing leaked; 0 pairs have two votes or more"),
        (data(leaked=1), "reject", "1 rows share a prompt or group"),
        (data(quarantine_share=0.06), "hold", "6.0 % of the new records are in quarantine, at most 5.0 %"),
        (data(shared_pairs=50, agreement_alpha=0.09), "hold", "alpha is 0.09 on 50 pairs, need 0.1"),
        (data(shared_pairs=49, agreement_alpha=0.09), "promote", "49 pairs have two votes"),
        (data(shared_pairs=50, agreement_alpha=0.4), "promote", "alpha is 0.40 on 50"),
        (data(shared_pairs=50), "promote", "all votes on 50 shared pairs are alike"),
        ({"curate/leaked": 0}, "promote", "no record came in"),
    ],
)
def test_data_quality(measured: Metrics, result: Result, why: str) -> None:
    finding = check(DataQualityGate(), measured)
    assert finding.result == result
    assert why in finding.reason


@pytest.mark.parametrize(
    ("licences", "consents", "result", "why"),
    [
        ({"MIT": 1200}, {"opt-in": 1200}, "promote", "all 1,200 events learned from are allowed: MIT, by opt-in"),
        ({"MIT": 2, "CC-BY-NC-4.0": 1}, {"opt-in": 3}, "reject", "learned from: licence CC-BY-NC-4.0 (1 events)"),
        ({"MIT": 2}, {"opt-in": 1, "refused": 1}, "reject", "consent refused (1 events)"),
        ({"MIT": 2, "none-stated": 1}, {"opt-in": 3}, "hold", "licence none-stated (1 events); state it, or allow"),
    ],
)
def test_licence(licences: dict[str, int], consents: dict[str, int], result: Result, why: str) -> None:
    finding = LicenceGate().check(GateInputs(candidate={}, licences=licences, consents=consents))
    assert finding.result == result
    assert why in finding.reason


def test_what_nobody_stated_can_be_allowed() -> None:
    gate = LicenceGate(licences=("none-stated",), consents=("none-stated",))
    unstated = {"none-stated": 5}
    assert gate.check(GateInputs(candidate={}, licences=unstated, consents=unstated)).result == "promote"


ALIKE = AnnotatorAgreement("ann", 100, 0.82, 0.80, 0.9)


EVE = AnnotatorAgreement("eve", 40, 0.25, 0.81, 1e-9)


@pytest.mark.parametrize(
    ("found", "result"),
    [
        ((ALIKE, EVE), "hold"),
        ((ALIKE, EVE._replace(p=0.02)), "promote"),
        ((ALIKE, EVE._replace(agreement=0.70)), "promote"),
        ((), "promote"),
        (None, "hold"),
    ],
)
def test_annotators_against_everybody_else(found: tuple[AnnotatorAgreement, ...] | None, result: Result) -> None:
    assert AnnotatorsGate().check(GateInputs(candidate={}, annotators=found)).result == result


def test_an_annotator_at_odds_is_numbered_and_not_named() -> None:
    finding = AnnotatorsGate().check(GateInputs(candidate={}, annotators=(ALIKE, EVE)))
    assert finding.reason.startswith(
        "annotator 2: the model that did not learn from them agrees with 25.0 % of 40 votes, others 81.0 % (p 1e-09)"
    )
    assert finding.numbers == {"annotator_2": 0.25}
    assert "eve" not in finding.reason


def test_an_annotator_who_turned_is_told_of_once() -> None:
    turned = EVE._replace(p=1e-12, newest=True)
    finding = AnnotatorsGate().check(GateInputs(candidate={}, annotators=(turned, EVE, ALIKE)))
    assert finding.reason.startswith("annotator 1, in the newest round: the model that did not learn from them agrees")
    assert "annotator 2" not in finding.reason
    looked_at_twice = (ALIKE, ALIKE._replace(newest=True), EVE._replace(p=0.5))
    assert (
        AnnotatorsGate().check(GateInputs(candidate={}, annotators=looked_at_twice)).reason.startswith("2 annotators")
    )


def test_drift_holds_by_the_alarms_it_is_told_of() -> None:
    def looked(**alarms: float) -> Metrics:
        found = {"alarms": sum(alarms.values())}
        for name, alarm in alarms.items():
            found |= {name: 0.7, f"{name}_p": 0.001, f"{name}_alarm": alarm}
        return {f"drift/{name}": number for name, number in found.items()}

    assert check(DriftGate(), looked(prompt_auc=0.0, saturation=1.0)).result == "promote"
    raised = check(DriftGate(), looked(prompt_auc=1.0, saturation=1.0))
    assert (raised.result, raised.reason) == (
        "hold",
        "drift from what the champion learned from: prompt_auc 0.7 (p 0.001)",
    )
    assert check(DriftGate(alarms=("saturation",)), looked(prompt_auc=1.0, saturation=0.0)).result == "promote"
    assert check(DriftGate(), looked()).reason == "the champion learned from too little to compare with"
    assert check(DriftGate(), {}).result == "hold"
