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
    ("measured", "result", "fact"),
    [
        (data(), "promote", "0 pairs"),
        (data(leaked=1), "reject", "1 rows"),
        (data(quarantine_share=0.06), "hold", "data/feedback/quarantine"),
        (data(shared_pairs=50, agreement_alpha=0.09), "hold", "alpha is 0.09 on 50 pairs"),
        (data(shared_pairs=49, agreement_alpha=0.09), "promote", "49 pairs"),
        (data(shared_pairs=50, agreement_alpha=0.4), "promote", "alpha is 0.40 on 50"),
        (data(shared_pairs=50), "promote", "50 shared pairs"),
        ({"curate/leaked": 0}, "promote", "no new records"),
        (data() | {"reward/cut_answers": 0.51}, "hold", "model.max_answer_tokens"),
        (data() | {"reward/cut_prompts": 0.51}, "hold", "model.max_prompt_tokens"),
        (data() | {"policy/cut_prompts": 0.51}, "hold", "model.max_prompt_tokens"),
        (data() | {"sample/cut_prompts": 0.51}, "hold", "model.max_prompt_tokens"),
        (data() | {"sft/cut_prompts": 0.51}, "hold", "model.max_prompt_tokens"),
        (data() | {"sft/cut_answers": 0.51}, "hold", "model.max_answer_tokens"),
        (data() | {"reward/equal_after_cut": 0.06}, "hold", "6.0 % of the pairs"),
        (data() | {"reward/cut_answers": 0.5, "reward/equal_after_cut": 0.05}, "promote", "nothing leaked"),
    ],
)
def test_data_quality(measured: Metrics, result: Result, fact: str) -> None:
    finding = check(DataQualityGate(), measured)
    assert finding.result == result
    assert fact in finding.reason


@pytest.mark.parametrize(
    ("licences", "consents", "result", "fact"),
    [
        ({"MIT": 1200}, {"opt-in": 1200}, "promote", "MIT, by opt-in"),
        ({"own": 50}, {"opt-in": 50}, "promote", "own, by opt-in"),
        ({"MIT": 2, "CC-BY-NC-4.0": 1}, {"opt-in": 3}, "reject", "licence CC-BY-NC-4.0 (1 events)"),
        ({"MIT": 2}, {"opt-in": 1, "refused": 1}, "reject", "consent refused (1 events)"),
        ({"MIT": 2, "none-stated": 1}, {"opt-in": 3}, "hold", "licence none-stated (1 events)"),
    ],
)
def test_licence(licences: dict[str, int], consents: dict[str, int], result: Result, fact: str) -> None:
    finding = LicenceGate().check(GateInputs(candidate={}, licences=licences, consents=consents))
    assert finding.result == result
    assert fact in finding.reason


def test_what_is_stated_and_not_allowed_is_forbidden() -> None:
    terms = [("own", "opt-in"), ("none-stated", "none-stated"), ("CC-BY-NC-4.0", "opt-in"), ("own", "no")]
    assert [LicenceGate().forbids(*each) for each in terms] == [False, False, True, True]
    assert not LicenceGate(consents=("no",)).forbids("own", "no")


def test_unstated_licences_and_consents_can_be_allowed() -> None:
    gate = LicenceGate(licences=("none-stated",), consents=("none-stated",))
    unstated = {"none-stated": 5}
    assert gate.check(GateInputs(candidate={}, licences=unstated, consents=unstated)).result == "promote"


ALIKE = AnnotatorAgreement("ann", 100, 0.82, 0.80, 0.9)


EVE = AnnotatorAgreement("eve", 40, 0.25, 0.81, 1e-9)


@pytest.mark.parametrize(
    ("annotators", "result"),
    [
        ((ALIKE, EVE), "hold"),
        ((ALIKE, EVE._replace(p=0.02)), "promote"),
        ((ALIKE, EVE._replace(agreement=0.70)), "promote"),
        ((), "promote"),
        (None, "hold"),
    ],
)
def test_annotators_who_contradict_all_others(
    annotators: tuple[AnnotatorAgreement, ...] | None, result: Result
) -> None:
    assert AnnotatorsGate().check(GateInputs(candidate={}, annotators=annotators)).result == result


def test_an_outlier_is_numbered_and_not_named() -> None:
    finding = AnnotatorsGate().check(GateInputs(candidate={}, annotators=(ALIKE, EVE)))
    assert all(fact in finding.reason for fact in ("annotator 2", "25.0 % of 40 votes", "81.0 %", "p 1e-09"))
    assert finding.numbers == {"annotator_2": 0.25}
    assert "eve" not in finding.reason


def test_an_annotator_is_reported_once() -> None:
    turned = EVE._replace(p=1e-12, newest=True)
    finding = AnnotatorsGate().check(GateInputs(candidate={}, annotators=(turned, EVE, ALIKE)))
    assert finding.numbers == {"annotator_1": 0.25}
    assert "annotator 1, in the newest round" in finding.reason
    assert "annotator 2" not in finding.reason
    tested_twice = (ALIKE, ALIKE._replace(newest=True), EVE._replace(p=0.5))
    assert "2 annotators" in AnnotatorsGate().check(GateInputs(candidate={}, annotators=tested_twice)).reason


def test_drift_holds_for_the_listed_alarms() -> None:
    def checked(**alarms: float) -> Metrics:
        metrics = {"alarms": sum(alarms.values())}
        for name, alarm in alarms.items():
            metrics |= {name: 0.7, f"{name}_p": 0.001, f"{name}_alarm": alarm}
        return {f"drift/{name}": number for name, number in metrics.items()}

    assert check(DriftGate(), checked(prompt_auc=0.0, saturation=1.0)).result == "promote"
    raised = check(DriftGate(), checked(prompt_auc=1.0, saturation=1.0))
    assert (raised.result, raised.numbers) == ("hold", {"prompt_auc": 0.7})
    assert "prompt_auc 0.7 (p 0.001)" in raised.reason
    assert check(DriftGate(alarms=("saturation",)), checked(prompt_auc=1.0, saturation=0.0)).result == "promote"
    assert check(DriftGate(), checked()).result == "promote"
    assert check(DriftGate(), {}).result == "hold"
