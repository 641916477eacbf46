"""What the gates are shown of a round."""

from pathlib import Path

from core.files import write_json
from evaluation.statistics.annotators import AnnotatorAgreement
from tasks.state.round import Round
from tasks.state.workspace import Workspace
from tasks.steps.verdict import evidence


def judged(root: Path) -> Round:
    """A round whose steps have reported."""
    place = Workspace(root)
    terms = {"licences": {"MIT": 3}, "consents": {"opt-in": 3}}
    write_json(place.report("curate"), {"metrics": {"leaked": 0}, "terms": terms})
    write_json(place.report("collect"), {"metrics": {"tokens": 7}})
    write_json(place.report("reward"), {"metrics": {"pairs": 9}, "annotators": [("ann", 30, 0.8, 0.7, 1.0)]})
    write_json(place.previous / "champion.json", {"evaluate/kl_mean": 1.5})
    return Round(place, 1, None, seed=0, salt="", champion=None, inbox=(), values={})


def test_gates_see_numbers_terms_and_the_champion(tmp_path: Path) -> None:
    seen = evidence(judged(tmp_path), trust_judge=True)
    assert seen.candidate == {"collect/tokens": 7, "curate/leaked": 0, "reward/pairs": 9}
    assert seen.annotators == (AnnotatorAgreement("ann", 30, 0.8, 0.7, 1.0),)
    assert (seen.licences, seen.consents) == ({"MIT": 3}, {"opt-in": 3})
    assert (seen.champion, seen.trust_judge) == ({"evaluate/kl_mean": 1.5}, True)
    assert seen.seconds is None  # nobody timed the steps


def test_gates_see_what_the_steps_took_together(tmp_path: Path) -> None:
    round = judged(tmp_path)
    times = {"collect": {"wall": 1.5, "learning": 1.0}, "policy": {"wall": 20.0, "learning": 19.0}}
    write_json(round.workspace.metrics / "times.json", times)
    assert evidence(round, trust_judge=False).seconds == 21.5
