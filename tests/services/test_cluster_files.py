"""The scripts of deploy/cluster run here: two machines are two programs on this one, which train along in a round."""

import os
import shlex
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from core.settings import override
from models.rendezvous import ADDRESS
from tasks.state import records
from tasks.state.workspace import PROJECT, Workspace
from tests.profile import TINY
from tests.services.programs import eventually, free_port, running, surroundings
from tests.test_cluster import FOLDER, SCRIPTS
from tests.workspaces import Furnish

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]

SRUN = """#!/bin/sh
while [ "${1#--}" != "$1" ]; do shift; done
exec "$@"
"""
"""Stands for SLURM's: what other machines would run is run here."""

SCONTROL = """#!/bin/sh
[ "$1 $2" = "show hostnames" ] && echo "$3" | tr , '\\n'
"""


class Programs(NamedTuple):
    """What the platform runs on the machines."""

    commands: Sequence[Sequence[str]]
    """The first one runs the round. One alone starts the other itself."""
    variables: Sequence[dict[str, str]]
    ends: bool
    """Whether the other one ends by itself; if not, the platform ends it."""


def slurm(workspace: Workspace, port: str, code: Path) -> Programs:
    variables = {"CODE": str(code), "WORKSPACE": str(workspace.root), "PORT": port}
    given = {"SLURM_JOB_NODELIST": "127.0.0.1,127.0.0.2", "SLURM_JOB_NUM_NODES": "2"}
    return Programs([["bash", str(FOLDER / "slurm.sh")]], [variables | given], ends=True)


def skypilot(workspace: Workspace, port: str, code: Path) -> Programs:
    [text] = [script.text for script in SCRIPTS if script.file == "skypilot.yaml" and "rounds node" in script.text]
    same = {"WORKSPACE": str(workspace.root), "PORT": port, "SKYPILOT_TASK_ID": "sky-1"}
    same |= {"SKYPILOT_NODE_IPS": "127.0.0.1\n127.0.0.2"}
    command = ["bash", "-c", f"cd {shlex.quote(str(code))}\n{text}"]
    return Programs([command] * 2, [same | {"SKYPILOT_NODE_RANK": rank} for rank in ("0", "1")], ends=True)


def kubernetes(workspace: Workspace, port: str, code: Path) -> Programs:
    [text] = [script.text for script in SCRIPTS if script.file == "kubernetes-job.yaml"]
    same = {ADDRESS: f"127.0.0.1:{port}", "ROUNDS_WORKSPACE": str(workspace.root)}
    return Programs([["sh", "-c", text]] * 2, [same | {"JOB_COMPLETION_INDEX": index} for index in ("0", "1")], False)


def work_pool(workspace: Workspace, port: str, code: Path) -> Programs:
    """A round in place of the flow run of a step, in the folder where that would have its workspace."""
    [text] = [script.text for script in SCRIPTS if script.file == "kubernetes-work-pool.json"]
    same = {ADDRESS: f"127.0.0.1:{port}", "TMPDIR": str(workspace.root.parent)}
    command = ["sh", "-c", text, "sh", "rounds", "round", "-w", str(workspace.root)]
    return Programs([command] * 2, [same | {"JOB_COMPLETION_INDEX": index} for index in ("0", "1")], False)


@pytest.mark.parametrize("platform", [slurm, skypilot, kubernetes, work_pool])
def test_two_machines_run_a_round_and_both_end(platform: object, furnish: Furnish, tmp_path: Path) -> None:
    assert callable(platform)
    workspace = furnish(tmp_path / "shared" / "rounds-step-1")
    knobs = override({}, [*TINY, "sft.epochs=2", "policy.steps=1", "sft.launch.nodes=2"])
    workspace.params.write_text(yaml.safe_dump(knobs))
    code = tmp_path / "code"
    place(code / ".venv/bin/rounds", f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m cli "$@"\n')
    place(code / "slurm/srun", SRUN)
    place(code / "slurm/scontrol", SCONTROL)
    path = os.pathsep.join([str(code / ".venv/bin"), str(code / "slurm"), os.environ["PATH"]])
    programs: Programs = platform(workspace, str(free_port()), code)
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                running(name, command, surroundings(PATH=path, PYTHONPATH=str(PROJECT), **variables), tmp_path)
            )
            for name, command, variables in zip(
                ("first", "second"), programs.commands, programs.variables, strict=False
            )
        ]
        assert started[0].wait(280) == 0, (tmp_path / "first.log").read_text()
        for other in started[1:]:
            if not programs.ends:
                other.send_signal(signal.SIGTERM)
            assert other.wait(30) == (0 if programs.ends else 128 + signal.SIGTERM)
    said = "\n".join(log.read_text() for log in tmp_path.glob("*.log"))
    assert "sft: joins 2 machines" in said
    assert "sft: done" in said
    assert records.numbers(workspace) == [0, 1]
    eventually(lambda: not helping(workspace) or None, "the end of `rounds node`", tmp_path, 20)


def place(path: Path, text: str) -> None:
    """Write a program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def helping(workspace: Workspace) -> list[str]:
    """Programs of this test that still wait for steps."""
    lines = [path.read_bytes().split(b"\0") for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    named = (str(workspace.root).encode(), str(workspace.root.parent).encode())
    return [repr(line) for line in lines if b"node" in line and any(name in line for name in named)]
