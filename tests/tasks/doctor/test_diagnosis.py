from pathlib import Path

from tasks.doctor import diagnosis, worst
from tasks.doctor.diagnosis import Diagnosis, Severity
from tasks.state.workspace import Workspace


def test_a_command_names_the_workspace_as_it_is_typed() -> None:
    assert diagnosis.rounds(Workspace(Path("/srv/a b")), "round --reopen") == "rounds round --reopen -w '/srv/a b'"


def test_the_worst_severity_decides() -> None:
    assert worst([]) is Severity.OK
    assert worst([diagnosis.note("a"), diagnosis.error("b"), diagnosis.warning("c")]) is Severity.ERROR
    assert Diagnosis(Severity.NOTE, "a").to_json() == {"check": "", "severity": "note", "text": "a", "cure": None}
