"""Files of docs/cluster.md: what a cluster reads is valid, and what it runs are commands, knobs and variables of ours.

No cluster is needed here. tests/services/test_cluster_files.py runs the scripts on this machine.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import kubernetes_validate
import pytest
import typer
import yaml
from prefect.utilities.templating import apply_values

from cli.__main__ import app
from core.settings import parse
from models.rendezvous import ADDRESS
from tasks.doctor.checks.environment import KNOWN
from tasks.rounds.params import RoundSettings
from tasks.rounds.smaller import launches
from tests.pages import ROOT

FOLDER = ROOT / "deploy/cluster"
KUBERNETES = "1.33"
"""The first version in which the policy that ends a job with its first pod is stable."""

OPTIONS = {
    *("job-name", "nodes", "ntasks-per-node", "gpus-per-node", "cpus-per-task", "exclusive", "time", "requeue"),
    "output",
}
"""Those of sbatch that the script uses: https://slurm.schedmd.com/sbatch.html."""

SKYPILOT = {"name", "workdir", "num_nodes", "resources", "envs", "volumes", "setup", "run"}
"""Fields of a task that the file uses: https://docs.skypilot.co/en/latest/reference/yaml-spec.html."""

GIVEN = {
    "slurm.sh": {"SLURM_JOB_NODELIST", "SLURM_JOB_NUM_NODES"},
    "kubernetes-job.yaml": {"JOB_COMPLETION_INDEX"},
    "kubernetes-work-pool.json": {"JOB_COMPLETION_INDEX"},
    "skypilot.yaml": {"SKYPILOT_NODE_RANK", "SKYPILOT_NODE_IPS", "SKYPILOT_TASK_ID"},
}
"""Variables that the platform sets."""


class Script(NamedTuple):
    """A shell script in a file."""

    file: str
    shell: str
    text: str
    sets: frozenset[str]
    """Variables that the file sets outside the script."""


def loaded(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


def manifest() -> Any:
    """The job of the work pool with the defaults of its variables, as Prefect's worker makes it."""
    template = loaded("kubernetes-work-pool.json")
    values = {name: about["default"] for name, about in properties(template).items() if "default" in about}
    given = {"name": "step", "labels": {}, "command": ["prefect", "flow-run", "execute"], **values}
    return apply_values(template["job_configuration"]["job_manifest"], given)


def properties(template: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = template["variables"]["properties"]
    return found


def scripts() -> Iterator[Script]:
    yield Script("slurm.sh", "bash", (FOLDER / "slurm.sh").read_text(encoding="utf-8"), frozenset())
    task = loaded("skypilot.yaml")
    for part in ("setup", "run"):
        yield Script("skypilot.yaml", "bash", task[part], frozenset(task["envs"]))
    for name, job in (
        ("kubernetes-job.yaml", loaded("kubernetes-job.yaml")),
        ("kubernetes-work-pool.json", manifest()),
    ):
        [container] = job["spec"]["template"]["spec"]["containers"]
        words = [*container["command"], *container["args"]]
        assert words[:2] == ["sh", "-c"]
        yield Script(name, "sh", words[2], frozenset(each["name"] for each in container["env"]))


SCRIPTS = list(scripts())
NAMES = [f"{script.file}-{number}" for number, script in enumerate(SCRIPTS)]


@pytest.mark.parametrize("script", SCRIPTS, ids=NAMES)
def test_shellcheck_has_nothing_to_say(script: Script, tmp_path: Path) -> None:
    program = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert program, "run `make setup`"
    (tmp_path / "script").write_text(script.text)
    command = [program, f"--shell={script.shell}", str(tmp_path / "script")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=NAMES)
def test_a_variable_is_set_or_given_by_the_platform(script: Script) -> None:
    used = {*re.findall(r"\$\{?:?([A-Za-z_]+)", script.text)}
    here = {*re.findall(r"(?:^|\s|\{)([A-Za-z_]+):?=", script.text)}
    assert used - here - script.sets <= GIVEN[script.file] | {"PATH", "PWD"}
    assert {name for name in here | script.sets if name.startswith("ROUNDS_")} <= {*KNOWN}


@pytest.mark.parametrize("script", SCRIPTS, ids=NAMES)
def test_a_command_of_ours_is_one(script: Script, tmp_path: Path) -> None:
    commands = re.findall(r"\brounds ((?:round|node)\b[^;&\n]*)", script.text)
    if "make setup" in script.text:
        return
    assert {command.split()[0] for command in commands} >= {"node"}
    typed: Any = typer.main.get_command(app)
    for command in commands:
        name, *words = shlex.split(command.replace("$TMPDIR", str(tmp_path)))
        typed.commands[name].make_context(name, words)


@pytest.mark.parametrize("name", ["kubernetes-job.yaml", "kubernetes-work-pool.json"])
def test_kubernetes_accepts_a_job_whose_first_pod_decides(name: str) -> None:
    job = manifest() if name.endswith(".json") else loaded(name)
    if name.endswith(".json"):  # Prefect's worker demands these two here, and Kubernetes ignores them
        assert [job["spec"]["template"]["spec"].pop(key) for key in ("parallelism", "completions")] == [1, 1]
    kubernetes_validate.validate(job, KUBERNETES, strict=True)
    spec = job["spec"]
    assert (spec["completionMode"], spec["successPolicy"]) == ("Indexed", {"rules": [{"succeededIndexes": "0"}]})
    assert spec["completions"] == spec["parallelism"] == 2
    [container] = spec["template"]["spec"]["containers"]
    known = {each["name"]: each.get("value") for each in container["env"]}
    assert known[ADDRESS] == "$(POD_IP):29400"
    assert list(known).index("POD_IP") < list(known).index(ADDRESS), "Kubernetes replaces what stands before"


def test_a_field_that_kubernetes_does_not_know_is_found() -> None:
    job = loaded("kubernetes-job.yaml")
    job["spec"]["succesPolicy"] = job["spec"].pop("successPolicy")
    with pytest.raises(kubernetes_validate.ValidationError, match="succesPolicy"):
        kubernetes_validate.validate(job, KUBERNETES, strict=True)


def test_the_variables_of_the_work_pool_are_those_of_its_template() -> None:
    template = json.loads((FOLDER / "kubernetes-work-pool.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(template["variables"])
    used = {*re.findall(r"\{\{ (\w+) \}\}", json.dumps(template["job_configuration"]))}
    assert used == properties(template).keys()
    settings = {"env": {"A": "b"}, "machines": 3, "gpus": 4}
    jsonschema.validate(settings, template["variables"])


def test_the_options_of_sbatch_are_known() -> None:
    lines = [line for line in (FOLDER / "slurm.sh").read_text().splitlines() if line.startswith("#SBATCH")]
    named = [re.fullmatch(r"#SBATCH --([a-z-]+)(?:=\S+)?", line) for line in lines]
    assert {match and match[1] for match in named} == OPTIONS


def test_the_task_of_skypilot_has_known_fields() -> None:
    task = loaded("skypilot.yaml")
    assert task.keys() == SKYPILOT
    assert task["resources"].keys() == {"infra", "accelerators"}
    assert all(task["envs"]["WORKSPACE"].startswith(folder) for folder in task["volumes"])


@pytest.mark.parametrize(("name", "nodes"), [("eight-gpus.yaml", 1), ("two-machines.yaml", 2)])
def test_the_knobs_are_those_of_a_round(name: str, nodes: int) -> None:
    params = parse(RoundSettings, loaded(name), name)
    found = launches(params)
    assert {(launch.nodes, launch.processes, launch.shard) for launch in found.values()} == {(nodes, 8, True)}
    assert set(found) == {"sft", "reward", "policy"}


def test_files_agree_on_the_number_of_machines_and_of_gpus() -> None:
    machines = {launch.nodes for launch in launches(parse(RoundSettings, loaded("two-machines.yaml"), "")).values()}
    slurm = dict(re.findall(r"#SBATCH --([a-z-]+)=(\S+)", (FOLDER / "slurm.sh").read_text()))
    sky = loaded("skypilot.yaml")
    assert machines == {2} == {int(slurm["nodes"]), sky["num_nodes"]}
    assert (slurm["gpus-per-node"], sky["resources"]["accelerators"]) == ("8", "H100:8")
    for job in (loaded("kubernetes-job.yaml"), manifest()):
        [container] = job["spec"]["template"]["spec"]["containers"]
        assert container["resources"]["limits"] == {"nvidia.com/gpu": 8}
