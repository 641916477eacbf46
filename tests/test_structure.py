"""One noun everywhere: steps, stages, sections and modules agree; whatever ships can be loaded."""

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from core import plugins
from core.settings import parse, read
from evaluation import gates
from tasks import steps
from tasks.rounds.params import RoundSettings
from tasks.rounds.tidy import HEAD
from tasks.state.steps import BOOTSTRAP, STEPS
from tasks.state.workspace import PROJECT, SHIPPED, Workspace
from tasks.tools import events

PACKAGES = sorted(init.parent.name for init in PROJECT.glob("*/__init__.py"))
PLUGINS = (
    "feedback.sources",
    "models.algorithms",
    "models.rewards",
    "evaluation.evals",
    "evaluation.gates",
    "evaluation.guards",
    "evaluation.harms",
    "feedback.rules",
)
SHARED = ("seed", "model", "sampler", "approval", "promotion", "watch", "versioning", "audit", "steps")
"""Sections that are no step's own."""

HELP = """
import runpy, sys
sys.argv = ["rounds", "--help"]
try:
    runpy.run_module("cli", run_name="__main__")
except SystemExit:
    print("loaded:", [name for name in ("torch", "prefect", "mlflow", "dvc") if name in sys.modules])
"""


def stages() -> dict[str, Any]:
    by_name: dict[str, Any] = yaml.safe_load((PROJECT / "dvc.yaml").read_text())["stages"]
    return by_name


def order(function: str) -> list[str]:
    """The steps that a function of flows/round.py runs, in their order."""
    module = ast.parse((PROJECT / "flows/round.py").read_text())
    [definition] = [node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == function]
    calls = [node.value for node in definition.body if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)]
    return [ast.unparse(call.args[0]) for call in calls if ast.unparse(call.func) == "running"]


def test_the_contracts_are_about_every_package() -> None:
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    product = [package for package in PACKAGES if package != "benchmarks"]
    assert sorted(settings["root_packages"]) == product
    [order] = [
        contract["layers"]
        for contract in settings["contracts"]
        if not contract.get("containers") and contract["type"] == "layers"
    ]
    assert sorted(name for layer in order for name in layer.split(" | ")) == product


def test_steps_are_stages_sections_modules_and_calls() -> None:
    assert list(stages()) == list(STEPS)
    assert [name for name in RoundSettings.model_fields if name not in SHARED] == list(STEPS)
    assert sorted(module.name for module in pkgutil.iter_modules(steps.__path__)) == sorted(STEPS)
    assert [steps.find(name).__module__ for name in STEPS] == [f"tasks.steps.{name}" for name in STEPS]
    assert order("improve") == list(STEPS)
    assert order("bootstrap") == list(BOOTSTRAP)


@pytest.mark.parametrize("step", STEPS)
def test_a_stage_runs_its_step_on_its_section(step: str) -> None:
    stage = stages()[step]
    assert stage["cmd"] == f"rounds step {step}"
    [inputs] = [entry["data/round.yaml"] for entry in stage["params"]]
    assert f"params.{step}" in inputs


def test_the_params_yaml_that_ships_sets_nothing() -> None:
    assert parse(RoundSettings, read(PROJECT / "params.yaml"), "params.yaml") == RoundSettings()
    assert (PROJECT / "params.yaml").read_text(encoding="utf-8") == HEAD


def test_dvc_reads_what_is_shipped(workspace: Workspace) -> None:
    from dvc.repo import Repo

    assert all((workspace.root / name).exists() for name in SHIPPED)
    assert [stage.name for stage in Repo(str(workspace.root)).stage.collect()] == list(STEPS)


def deployments() -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = yaml.safe_load((PROJECT / "prefect.yaml").read_text())["deployments"]
    return entries


@pytest.mark.parametrize("deployment", deployments(), ids=lambda deployment: str(deployment["name"]))
def test_a_deployment_names_a_flow_and_its_parameters(deployment: dict[str, Any]) -> None:
    module, _, name = deployment["entrypoint"].partition(":")
    flow = getattr(importlib.import_module(module), name)
    assert set(deployment.get("parameters", {})) <= set(inspect.signature(flow.fn).parameters)


def test_a_deployment_listens_to_the_event_that_is_sent() -> None:
    triggers = [trigger for deployment in deployments() for trigger in deployment.get("triggers", [])]
    assert [trigger["expect"] for trigger in triggers] == [[events.READY], [events.ON_CHAMPION]]
    senders = [inspect.getsource(events.send_feedback_ready), inspect.getsource(events.send_feedback_on_champion)]
    for trigger, sender in zip(triggers, senders, strict=True):
        assert trigger["match"]["prefect.resource.id"] in sender


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_is_this_repositorys(package: str) -> None:
    """Names as general as `models` are easily another's."""
    module = importlib.import_module(package)
    assert module.__file__ is not None
    assert Path(module.__file__).parent == PROJECT / package


def test_no_file_of_flows_is_named_like_a_package() -> None:
    """`python flows/x.py` puts flows/ first on the path, where it would hide the package."""
    assert not {file.stem for file in (PROJECT / "flows").glob("*.py")} & {*PACKAGES, "prefect", "mlflow", "dvc"}


@pytest.mark.parametrize(
    ("package", "name"), [(package, name) for package in PLUGINS for name in plugins.names(package)]
)
def test_a_plugin_is_found_by_the_name_of_its_file(package: str, name: str) -> None:
    plugin = plugins.find(package, name)
    assert plugin.name() == name
    assert plugin.__doc__
    assert all(field.description for field in plugin.model_fields.values())


def test_the_gates_that_ship_are_used() -> None:
    assert sorted(RoundSettings().verdict.gates) == plugins.names(gates.__name__)


def test_what_an_emergency_needs_loads_nothing_heavy() -> None:
    needed = "cli.__main__, tasks.registry.alias, tasks.registry.promotion, tasks.registry.incidents"
    program = f"import sys, {needed}, tasks.people.pending; print({{'torch', 'prefect'}} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_help_waits_for_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", HELP], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert "Iterative RLHF as an operation" in done.stdout
    assert done.stdout.splitlines()[-1] == "loaded: []"
