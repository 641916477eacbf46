import os
import subprocess
import sys

SHOW = "import core, os; print(os.environ['OMP_WAIT_POLICY'], os.environ['GOMP_SPINCOUNT'])"


def shown(**environment: str) -> str:
    clean = {name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    run = [sys.executable, "-c", SHOW]
    return subprocess.run(run, env=clean | environment, capture_output=True, text=True, check=True).stdout.strip()


def test_threads_soon_sleep_while_they_wait_unless_the_environment_says_otherwise() -> None:
    assert shown() == "PASSIVE 10000"
    assert shown(OMP_WAIT_POLICY="ACTIVE") == "ACTIVE 10000"
