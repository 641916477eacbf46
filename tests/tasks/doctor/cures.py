"""The way every cure is tested: a check finds the fault, its command is typed, and the check finds nothing."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

from tasks import doctor
from tasks.doctor.diagnosis import Diagnosis, Severity
from tasks.state.workspace import Workspace
from tests.commands import Rounds

BIN = Path(sys.executable).parent


def diagnoses(name: str, workspace: Workspace) -> list[Diagnosis]:
    """What a check finds; empty if all is well."""
    return [each for each in doctor.run(name, doctor.find(name), workspace, 20.0) if each.severity is not Severity.OK]


def mended(name: str, workspace: Workspace, rounds: Rounds, severity: str) -> Diagnosis:
    """The first diagnosis of a check; its cure is typed, and the diagnosis is gone."""
    first, *_ = diagnoses(name, workspace)
    assert (first.severity, first.check) == (severity, name), first
    assert first.cure is not None, first
    typed(first.cure, rounds)
    assert first.text not in [diagnosis.text for diagnosis in diagnoses(name, workspace)]
    return first


def typed(cure: str, rounds: Rounds) -> None:
    """Type a command; `rounds` runs in this process, and what a shell sets in its environment is set in ours."""
    for part in cure.split(" && "):
        words = shlex.split(part)
        if words[0] == "rounds":
            result = rounds(*words[1:])
            assert result.code == 0, result.err
        else:
            _in_a_shell(part)


def _in_a_shell(command: str) -> None:
    env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    script = f"{command} >/dev/null && env -0"
    done = subprocess.run(["bash", "-ec", script], env=env, capture_output=True, text=True, check=True)
    now = dict(entry.split("=", 1) for entry in done.stdout.split("\0") if "=" in entry)
    for key in {*env} | {*now}:
        if key.startswith(("ROUNDS_", "MLFLOW_", "PREFECT_", "DVC_")):
            _set(key, now.get(key))


def _set(key: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(key, None)
    else:
        os.environ[key] = value
