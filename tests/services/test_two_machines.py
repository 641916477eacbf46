"""A round that trains on two machines: two network namespaces with a cable between them, and one folder."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from safetensors.torch import load_file

from models.checkpoints import STATE
from tasks.rounds.smaller import LAUNCHED
from tasks.state import records
from tasks.state.workspace import Workspace
from tests.cures import cures, words
from tests.profile import PROMOTE, TINY
from tests.services.programs import eventually, free_port, running, surroundings
from tests.workspaces import Furnish

pytestmark = pytest.mark.services


class Machine(NamedTuple):
    """Where a program runs."""

    prefix: tuple[str, ...]
    """What is typed before the command."""
    address: str

    def command(self, *arguments: str) -> list[str]:
        """The command line of `rounds` there."""
        return [*self.prefix, sys.executable, "-m", "cli", *arguments]


@pytest.fixture(scope="module")
def machines() -> Iterator[tuple[Machine, Machine]]:
    """Two namespaces; without the right to make them, twice this machine."""
    names = [f"rounds-{os.getpid()}-{side}" for side in ("a", "b")]
    ends = [f"rd{os.getpid()}{side}" for side in ("a", "b")]
    addresses = ["10.77.0.1", "10.77.0.2"]
    made = _ip("netns", "add", names[0]) and _ip("netns", "add", names[1])
    try:
        if not made:
            yield Machine((), "127.0.0.1"), Machine((), "127.0.0.1")
            return
        assert _ip("link", "add", ends[0], "netns", names[0], "type", "veth", "peer", ends[1], "netns", names[1])
        for name, end, address in zip(names, ends, addresses, strict=True):
            assert _ip("-n", name, "addr", "add", f"{address}/24", "dev", end)
            assert _ip("-n", name, "link", "set", end, "up")
            assert _ip("-n", name, "link", "set", "lo", "up")
        first, second = (
            Machine(("ip", "netns", "exec", name), address) for name, address in zip(names, addresses, strict=True)
        )
        yield first, second
    finally:
        for name in names:
            _ip("netns", "del", name)


def _ip(*arguments: str) -> bool:
    try:
        return subprocess.run(["ip", *arguments], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def options(nodes: Sequence[str]) -> list[str]:
    return [word for knob in (*TINY, PROMOTE, *nodes) for word in ("-S", knob)]


def weights(workspace: Workspace) -> dict[str, torch.Tensor]:
    """Those of the last round's steps that train."""
    return {
        f"{step}: {name}": tensor
        for step in LAUNCHED
        for name, tensor in load_file(workspace.checkpoint(step) / "model.safetensors").items()
    }


@cures("models.launcher.not_met: rounds node", "models.launcher.not_met: rounds round")
def test_a_machine_that_did_not_come_is_started_and_the_round_goes_on(
    machines: tuple[Machine, Machine], furnish: Furnish, tmp_path: Path
) -> None:
    first, second = machines
    workspace = furnish(tmp_path / "shared")
    met = surroundings(ROUNDS_RENDEZVOUS=f"{first.address}:{free_port()}")
    knobs = options(["sft.launch.nodes=2", "sft.launch.join_minutes=0.75"])
    with running("alone", first.command("round", "-w", str(workspace.root), *knobs), met, tmp_path) as round:
        assert round.wait(300) != 0
    said = " ".join((tmp_path / "alone.log").read_text().split())
    node, again = (words(said, begins)[1:] for begins in ("rounds node", "rounds round"))
    helps = second.command(*node, "-w", str(workspace.root))
    with running("node", helps, surroundings(), tmp_path):
        eventually(lambda: (tmp_path / "node.log").read_text() or None, "the first line", tmp_path)
        with running("round", first.command(*again, "-w", str(workspace.root), *knobs), met, tmp_path) as round:
            eventually(lambda: "sft: done" in (tmp_path / "node.log").read_text() or None, "sft", tmp_path, 300)


def test_a_round_trains_on_two_machines_and_goes_on_after_one_was_killed(
    machines: tuple[Machine, Machine], furnish: Furnish, tmp_path: Path
) -> None:
    first, second = machines
    alone, shared = furnish(tmp_path / "alone"), furnish(tmp_path / "shared")
    two = [f"{step}.launch.processes=2" for step in LAUNCHED]
    nodes = [f"{step}.launch.nodes=2" for step in LAUNCHED]
    met = surroundings(ROUNDS_RENDEZVOUS=f"{first.address}:{free_port()}")
    helps = second.command("node", "-w", str(shared.root))
    runs = first.command("round", "-w", str(shared.root), *options(nodes))

    with running(
        "alone", first.command("round", "-w", str(alone.root), *options(two)), surroundings(), tmp_path
    ) as one:
        assert one.wait(600) == 0, (tmp_path / "alone.log").read_text()

    with (
        running("killed", helps, surroundings(), tmp_path) as helper,
        running("failed", runs, met, tmp_path) as round,
    ):
        eventually(lambda: (shared.training / "policy" / STATE).exists() or None, "a checkpoint", tmp_path, 600)
        os.killpg(helper.pid, signal.SIGKILL)
        assert round.wait(300) != 0
    said = " ".join((tmp_path / "failed.log").read_text().split())
    assert re.search(r"process [01] of 2 failed: it was (ended on its machine|killed)", said), said

    with running("node", helps, surroundings(), tmp_path), running("round", runs, met, tmp_path) as round:
        assert round.wait(600) == 0, (tmp_path / "round.log").read_text()
        eventually(lambda: "policy: done" in (tmp_path / "node.log").read_text() or None, "the end there", tmp_path)
    expected, got = weights(alone), weights(shared)
    assert set(got) == set(expected)
    for name, tensor in expected.items():
        assert torch.equal(got[name], tensor), name
    assert records.read(shared, 1).verdict == records.read(alone, 1).verdict


def test_another_version_of_a_package_on_a_machine_is_refused(
    machines: tuple[Machine, Machine], furnish: Furnish, tmp_path: Path
) -> None:
    first, second = machines
    workspace, other = furnish(tmp_path / "shared"), tmp_path / "packages"
    found = next(iter(metadata.distribution("peft").files or ())).parts[0]
    shutil.copytree(Path(str(metadata.distribution("peft").locate_file(found))), other / "peft-0.0.1.dist-info")
    about = other / "peft-0.0.1.dist-info" / "METADATA"
    about.write_text(re.sub(r"^Version: .*$", "Version: 0.0.1", about.read_text(), flags=re.MULTILINE))
    met = surroundings(ROUNDS_RENDEZVOUS=f"{first.address}:{free_port()}")
    runs = first.command("round", "-w", str(workspace.root), *options(["sft.launch.nodes=2"]))
    helps = second.command("node", "-w", str(workspace.root))
    with (
        running("node", helps, surroundings(PYTHONPATH=str(other)), tmp_path),
        running("round", runs, met, tmp_path) as round,
    ):
        assert round.wait(300) != 0
    assert "peft 0.0.1" in " ".join((tmp_path / "round.log").read_text().split())
