"""A round whose policy is trained by workers on other machines: one of them, or the coordinator, is killed meanwhile.

Each machine is a copy of the code in a folder of its own. The machines share a Prefect server, an MLflow server and a
bucket, and no folder: no worker gets the path of the workspace.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from socket import gethostname
from subprocess import CompletedProcess, Popen
from typing import Any

import psutil
import pytest
import yaml

from core.files import digest
from core.settings import override, read
from tasks.state import records
from tasks.state.choosing import at
from tasks.state.identity import EMBEDDED_SALT
from tasks.state.round import CODE
from tasks.state.workspace import PROJECT, Workspace
from tests.cures import cures, words
from tests.profile import PROMOTE, TINY
from tests.services.object_store import ObjectStore, object_store
from tests.services.programs import BIN, eventually, free_port, run_command, running, surroundings
from tests.services.site import answers, asked, mlflow
from tests.workspaces import run_round

pytestmark = [pytest.mark.services, pytest.mark.timeout(900)]

POOL = "gpu"
SLOW = ("policy.steps=80", "policy.checkpoint_every=1")
"""Iterations enough to be killed in between: ten seconds on a fast machine."""


class Machines:
    """What all machines share, and those that were started."""

    def __init__(self, root: Path, env: Mapping[str, str], store: ObjectStore, stack: ExitStack) -> None:
        self.root, self.env, self.store, self._stack = root, env, store, stack
        self._workers: dict[str, Popen[bytes]] = {}

    def run(self, *command: object) -> CompletedProcess[str]:
        """A command on the machine of the coordinator."""
        return run_command([str(BIN / str(command[0])), *map(str, command[1:])], self.env, timeout=400)

    @contextmanager
    def coordinator(self, workspace: Workspace) -> Iterator[Popen[bytes]]:
        """`rounds round` in the background."""
        command = [str(BIN / "python"), "-m", "cli", "round", "-w", str(workspace.root)]
        with running(f"coordinator-{workspace.root.name}", command, self.env, self.root) as process:
            yield process

    def ended(self, coordinator: Popen[bytes]) -> None:
        """Wait until the round has ended well."""
        coordinator.wait(400)
        assert coordinator.returncode == 0, [log.read_text() for log in self.root.glob("coordinator*.log")]

    def start(self, name: str) -> None:
        """Start a worker on a machine of that name, which has its own checkout of the code."""
        checkout = self.root / name / "checkout"
        checkout.mkdir(parents=True)
        for package in (*CODE, "flows"):
            shutil.copytree(PROJECT / package, checkout / package, ignore=shutil.ignore_patterns("__pycache__"))
        for file in ("dvc.yaml", "pyproject.toml"):
            shutil.copy(PROJECT / file, checkout)
        (self.root / name / "tmp").mkdir()
        env = {
            **self.env,
            "PYTHONPATH": str(checkout),
            "TMPDIR": str(self.root / name / "tmp"),
            "PREFECT_HOME": str(self.root / name / "prefect"),
        }
        command = [str(BIN / "prefect"), "worker", "start", "--pool", POOL, "--name", name]
        self._workers[name] = self._stack.enter_context(running(name, command, env, self.root))

    def kill(self, name: str) -> None:
        """The machine is gone: worker and step at once."""
        worker = psutil.Process(self._workers[name].pid)
        all_of_them = [worker, *worker.children(recursive=True)]
        assert len(all_of_them) > 1, "it runs no step"
        for process in all_of_them:
            process.kill()
        self._workers[name].wait()
        psutil.wait_procs(all_of_them, 10)

    def values(self, pattern: str) -> list[Any]:
        """JSON values in the handover."""
        return [json.loads(self.store.files.cat_file(name)) for name in self.store.names(f"handover/*/*/{pattern}")]

    def manifests(self, count: int) -> list[Any]:
        """The manifests of that many attempts of `policy`, as soon as there are so many."""
        return eventually(
            lambda: found if len(found := self.values("policy/*/manifest.json")) == count else None,
            f"{count} attempts of policy",
            self.root,
            300,
        )

    def stored(self, name: str) -> None:
        """Return as soon as an attempt of `policy` has stored that."""
        eventually(lambda: self.values(f"policy/*/{name}.json") or None, name, self.root, 300)

    def says(self, name: str, words: str) -> None:
        """Return as soon as the coordinator of the workspace of that name has said so."""
        log = self.root / f"coordinator-{name}.log"
        eventually(lambda: words in log.read_text() or None, words, self.root, 300)

    def policies(self) -> list[str]:
        """The states of the runs of `policy`."""
        found = asked(f"{self.env['PREFECT_API_URL']}/flow_runs/filter")
        return sorted(run["state_type"] for run in found if run["name"] == "round 1, policy")

    def left(self) -> list[str]:
        """What is left in the handover: nobody's texts, when a round has ended."""
        return [name for name in self.store.names("handover/**") if "/bases/" not in name]


@contextmanager
def shared(root: Path) -> Iterator[Machines]:
    """Prefect, MLflow and S3."""
    prefect, tracking = free_port(), free_port()
    (root / "mlflow").mkdir(parents=True)
    with ExitStack() as stack:
        store = stack.enter_context(object_store(["handover"], root))
        env = surroundings(
            **store.env,
            PREFECT_HOME=str(root / "prefect"),
            PREFECT_API_URL=f"http://127.0.0.1:{prefect}/api",
            PREFECT_WORKER_QUERY_SECONDS="1",
            MLFLOW_TRACKING_URI=f"http://127.0.0.1:{tracking}",
            PYTHONPATH=str(PROJECT),
        )
        server = [str(BIN / "python"), "-m", "flows.orchestration.prefect_server", "server", "start", "--port"]
        stack.enter_context(running("server", [*server, str(prefect)], env, root))
        stack.enter_context(mlflow(Workspace(root / "mlflow"), tracking, root))
        eventually(lambda: answers(f"{env['PREFECT_API_URL']}/health"), "the Prefect server", root)
        yield Machines(root, env, store, stack)


def furnished(root: Path, *steps: str) -> Workspace:
    """A workspace in which workers run these steps."""
    workspace = at(root, salt=EMBEDDED_SALT)
    knobs = [*TINY, PROMOTE, *SLOW]
    if steps:
        knobs += ["versioning.handover=s3://handover", "steps.policy.lost_after=8.0"]
        knobs += [f"steps.{step}.work_pool={POOL}" for step in steps]
    workspace.params.write_text(yaml.safe_dump(override(read(workspace.params), knobs)))
    return workspace


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The results of the same rounds in one process, with MLflow's database in the workspace."""
    workspace = furnished(tmp_path_factory.mktemp("local") / "workspace")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        run_round(workspace, [])
    return results(workspace)


def results(workspace: Workspace) -> dict[str, object]:
    record = records.read(workspace, 1)
    return {
        "verdict": json.loads(json.dumps(record.to_json()["verdict"])),
        "metrics": {name: value for name, value in record.metrics.items() if not name.startswith("cost/")},
        "weights": {name: digest(workspace.checkpoint(name)) for name in ("sft", "reward", "judge", "policy")},
        "registered": [(version.model, version.digest) for version in record.registered],
    }


def machines_of(workspace: Workspace) -> set[str]:
    """The steps that ran on another machine, by what the record says."""
    cost = records.read(workspace, 1).cost
    assert cost is not None
    return {step for step, used in cost.steps.items() if used.machine}


@cures(
    "tasks.tools.work_pools.starting: prefect worker start --pool …",
    "tasks.rounds.placement.check_knobs: rounds up --only mlflow -w …",
    "tasks.rounds.placement.check_knobs: set MLFLOW_TRACKING_URI",
)
def test_a_worker_that_is_killed(local: dict[str, object], tmp_path: Path) -> None:
    with shared(tmp_path) as machines:
        workspace = furnished(tmp_path / "coordinator", "reward", "policy", "sample")
        without = {name: value for name, value in machines.env.items() if name != "MLFLOW_TRACKING_URI"}
        command = [str(BIN / "python"), "-m", "cli", "round", "-w", str(workspace.root)]
        refused = run_command(command, without)
        assert not workspace.round.exists()
        typed, port = words(refused.stderr, "rounds up --only mlflow"), free_port()
        served = [str(BIN / "python"), "-m", "cli", *typed[1:], "--mlflow-port", str(port)]
        with running("up", served, without, machines.root):
            address = f"http://127.0.0.1:{port}"
            eventually(lambda: answers(f"{address}/health"), "the server of the cure", machines.root)
            assert "set MLFLOW_TRACKING_URI to its address" in refused.stderr
            refused = run_command(command, {**without, "MLFLOW_TRACKING_URI": address})
        assert machines.run(*words(refused.stderr, "prefect work-pool create")).returncode == 0
        assert words(refused.stderr, "prefect worker start") == ["prefect", "worker", "start", "--pool", POOL]
        machines.start("first")
        with machines.coordinator(workspace) as coordinator:
            machines.stored("checkpoint")
            machines.kill("first")
            machines.start("second")
            places = [manifest["checkpoint"] for manifest in machines.manifests(2)]
            assert len([place for place in places if place]) == 1  # the second one continues from a checkpoint
            machines.ended(coordinator)
        assert machines.policies() == ["COMPLETED", "CRASHED"]
        assert machines.left() == []
        folders = {name: list((tmp_path / name / "tmp").glob("rounds-step-*")) for name in ("first", "second")}
        assert [name for name, found in folders.items() if found] == ["first"]  # it could not remove its own
        assert machines_of(workspace) == {"reward", "policy", "sample"}
        assert gethostname() in machines.run("python", "-m", "cli", "show", "-w", workspace.root).stdout
    assert results(workspace) == local


def test_a_coordinator_that_is_killed(local: dict[str, object], tmp_path: Path) -> None:
    """It is continued in its workspace, killed again, and continued in a workspace that is restored from a backup."""
    with shared(tmp_path) as machines:
        workspace = furnished(tmp_path / "coordinator", "policy")
        assert machines.run("prefect", "work-pool", "create", POOL, "--type", "process").returncode == 0
        for _ in range(2):
            with machines.coordinator(workspace) as coordinator:
                machines.says("coordinator", f"waits for a worker of the pool '{POOL}'")
                [manifest] = machines.manifests(1)
                coordinator.kill()
                coordinator.wait()
        backup, restored = tmp_path / "backup", Workspace(tmp_path / "restored")
        assert machines.run("python", "-m", "cli", "backup", backup, "-w", workspace.root).returncode == 0
        shutil.rmtree(workspace.root)
        machines.start("first")
        machines.stored("beat")  # by a worker whose round nobody coordinates
        assert machines.run("python", "-m", "cli", "restore", backup, "-w", restored.root).returncode == 0
        assert machines.values("policy/latest.json") == [{"attempt": manifest["attempt"], "lost": False}]
        with machines.coordinator(restored) as coordinator:
            machines.ended(coordinator)
        assert machines.policies() == ["COMPLETED"]
        assert machines.left() == []
    assert results(restored) == local
