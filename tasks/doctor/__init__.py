"""`rounds doctor`: every check of a workspace and its surroundings. One check = one file in `checks/`.

A check is a function `check` that takes the workspace and yields diagnoses. It writes nothing and never imports torch.
A check that fails or does not end gives a diagnosis too.
"""

import importlib
import pkgutil
from collections.abc import Iterable
from threading import Thread

from core.errors import RoundsError
from tasks.doctor import checks
from tasks.doctor.diagnosis import ORDER, Check, Diagnosis, Severity, error, warning
from tasks.state.workspace import Workspace

LIMIT = 15.0
"""Seconds after which a check is given up; each network request has a shorter limit of its own."""


def names() -> list[str]:
    """The names of all checks: those of their files."""
    return sorted(module.name for module in pkgutil.iter_modules(checks.__path__))


def find(name: str) -> Check:
    """The check in `tasks/doctor/checks/<name>.py`."""
    function: Check = importlib.import_module(f"{checks.__name__}.{name}").check
    return function


def examine(workspace: Workspace, limit: float = LIMIT) -> list[Diagnosis]:
    """Run every check; the worst diagnoses come first. A check that found nothing gives one diagnosis `ok`."""
    diagnoses = [diagnosis for name in names() for diagnosis in run(name, find(name), workspace, limit)]
    return sorted(diagnoses, key=lambda diagnosis: -ORDER.index(diagnosis.severity))


def worst(diagnoses: Iterable[Diagnosis]) -> Severity:
    """The most serious severity."""
    return max((diagnosis.severity for diagnosis in diagnoses), key=ORDER.index, default=Severity.OK)


def run(name: str, check: Check, workspace: Workspace, limit: float) -> list[Diagnosis]:
    """The diagnoses of one check, with its name. Those before an error or the time limit are kept."""
    diagnoses: list[Diagnosis] = []
    thread = Thread(target=_collect, args=(check, workspace, diagnoses), daemon=True)
    thread.start()
    thread.join(limit)
    done = list(diagnoses)
    if thread.is_alive():
        done.append(warning(f"no result within {limit:.0f} s"))
    return [diagnosis._replace(check=name) for diagnosis in done or [Diagnosis(Severity.OK, "")]]


def _collect(check: Check, workspace: Workspace, diagnoses: list[Diagnosis]) -> None:
    try:
        for diagnosis in check(workspace):
            diagnoses.append(diagnosis)
    except RoundsError as problem:
        diagnoses.append(error(str(problem)))
    except Exception as problem:  # whatever is damaged, the other checks go on
        diagnoses.append(warning(f"this check failed: {type(problem).__name__}: {problem}"))
