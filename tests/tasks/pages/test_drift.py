from evaluation.drift import DriftCheck, DriftFindings, decide, histograms
from evaluation.drift.report import DriftReport, report
from tasks.pages.drift import page


def shown(*checks: DriftCheck, history: list[tuple[int, dict[str, float]]]) -> str:
    findings = DriftFindings(checks, {}, (histograms("Answers: length", "tokens", [1, 2, 3], [3, 4, 5]),))
    return page("Round 3", 0.01, report(findings, decide(checks, 0.01)), history)


def test_alarms_come_first_with_a_hint_where_to_look() -> None:
    bad = DriftCheck("kl_rise", 7.0, 5.0, 0.001, "answers are 9.0 nats away", "the coefficient")
    fine = DriftCheck("judge_gap", 0.01, 0.15, 0.5, "the judge agrees", "the answers")
    text = shown(
        fine, bad, history=[(2, {"drift/kl_rise": 1.0}), (3, {"drift/kl_rise": 7.0, "drift/kl_rise_alarm": 1.0})]
    )
    assert "Round 3: 1 alarm" in text
    assert text.index("Answers are 9.0 nats away.") < text.index("The judge agrees")
    assert "Look at the coefficient." in text
    assert "<title>round 2: 1</title>" in text
    assert "Judge gap" in text.split("Over the rounds")[0]
    assert "Judge gap" not in text.split("Over the rounds")[1]  # no round has logged this effect


def test_a_report_without_checks() -> None:
    text = page("Round 1", 0.01, DriftReport(), [(1, {})])
    assert "Round 1: no alarm" in text
    assert "There was nothing to compare with." in text


def test_text_from_answers_cannot_become_markup() -> None:
    text = shown(DriftCheck("x", 1.0, 0.5, 0.0, "<script>alert(1)</script>", "<b>"), history=[])
    assert "<script>" not in text
