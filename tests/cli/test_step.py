"""`rounds step NAME`, alone and as DVC calls it."""

import os
import subprocess
import sys
from pathlib import Path

from core.files import read_json
from tasks.state.workspace import PROJECT, Workspace

PROGRAM = """
import sys
from cli.__main__ import main
try:
    main()
finally:
    print("loaded:", sorted({name.split(".")[0] for name in sys.modules} & {"flows", "prefect", "numpy"}))
"""


def test_a_step_needs_neither_the_flows_nor_prefect(continued: Workspace) -> None:
    report = continued.report("verdict")
    before = read_json(report)
    report.unlink()
    words = ["step", "verdict", "-w", str(continued.root)]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "loaded: ['numpy']"), done.stderr
    assert read_json(report) == before


def repro(workspace: Workspace, path: str) -> subprocess.CompletedProcess[str]:
    """`dvc repro` of the cheapest step."""
    command = [sys.executable, "-m", "dvc", "repro", "--force", "--single-item", "verdict"]
    return subprocess.run(
        command, cwd=workspace.root, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )


def test_dvc_finds_the_command_on_the_path(continued: Workspace) -> None:
    report = continued.report("verdict")
    before = report.read_text()
    done = repro(continued, f"{Path(sys.executable).parent}:{os.defpath}")
    assert done.returncode == 0, done.stderr
    assert report.read_text() == before


def test_dvc_without_the_environment_on_the_path_says_127(continued: Workspace) -> None:
    """As documented in docs/round.md."""
    done = repro(continued, os.defpath)
    assert done.returncode != 0
    assert "exited with 127" in done.stderr
