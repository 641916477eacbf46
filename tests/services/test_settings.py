"""Files that the tools read: what they promise is checked without starting anything."""

import configparser
import tomllib
from datetime import timedelta
from importlib import import_module
from typing import Any

import prefect
import pytest
import yaml
from prefect.events.schemas.deployment_triggers import DeploymentEventTrigger

from tasks.state.workspace import PROJECT

DEPLOYMENTS: list[dict[str, Any]] = yaml.safe_load((PROJECT / "prefect.yaml").read_text())["deployments"]


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda deployment: str(deployment["name"]))
def test_every_deployment_names_a_flow_and_parameters_that_it_takes(deployment: dict[str, Any]) -> None:
    module, _, name = deployment["entrypoint"].partition(":")
    flow = getattr(import_module(module), name)
    assert isinstance(flow, prefect.Flow)
    assert set(deployment.get("parameters", {})) <= set(flow.parameters.properties)
    assert deployment["work_pool"]["name"] == "rounds"


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda deployment: str(deployment["name"]))
def test_the_form_of_a_deployment_describes_every_parameter(deployment: dict[str, Any]) -> None:
    module, _, name = deployment["entrypoint"].partition(":")
    schema = getattr(import_module(module), name).parameters
    assert {field: about.get("description") for field, about in schema.properties.items()}.keys() >= {"workspace"}
    assert [field for field, about in schema.properties.items() if not about.get("description")] == []


def test_no_tool_sends_statistics() -> None:
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["prefect"]
    assert settings["server"]["analytics_enabled"] is False
    dvc = configparser.ConfigParser()
    dvc.read(PROJECT / ".dvc/config")
    assert dvc["core"]["analytics"] == "false"
    for deployment in DEPLOYMENTS:
        assert deployment["work_pool"]["job_variables"]["env"]["DO_NOT_TRACK"] == "true"


def test_what_an_event_starts_a_schedule_starts_too() -> None:
    """Events are sent at most once: one that is sent while the server is down is lost."""
    triggered = [deployment for deployment in DEPLOYMENTS if deployment.get("triggers")]
    assert [deployment["name"] for deployment in triggered] == ["round-on-feedback", "drift-watch"]
    for deployment in triggered:
        assert deployment["schedules"]
        for trigger in deployment["triggers"]:
            assert (trigger["threshold"], trigger["within"]) == (1, 0), "a threshold counts events, not what they carry"
            module, _, name = deployment["entrypoint"].partition(":")
            taken = getattr(import_module(module), name).parameters.properties
            assert set(trigger.get("parameters", {})) <= set(taken)


def test_feedback_starts_the_guards_within_a_minute_and_never_the_drift_checks() -> None:
    """What is announced waits 30 s, then up to 15 s for the worker; the drift checks may load a model."""
    [watch] = [deployment for deployment in DEPLOYMENTS if deployment["name"] == "drift-watch"]
    [trigger] = watch["triggers"]
    read = DeploymentEventTrigger.model_validate(trigger)
    assert (read.schedule_after, read.parameters) == (timedelta(seconds=30), {"guards_only": True})


def test_no_deployment_has_a_limit_of_its_own() -> None:
    """It would not hold across deployments, and a worker that is killed leaks its slot for five minutes."""
    assert [deployment["name"] for deployment in DEPLOYMENTS if "concurrency_limit" in deployment] == []


def test_a_run_is_silent_after_three_heartbeats() -> None:
    [silent] = yaml.safe_load((PROJECT / "automations.yaml").read_text())["automations"]
    for deployment in DEPLOYMENTS:
        env = deployment["work_pool"]["job_variables"]["env"]
        assert 3 * int(env["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"]) <= silent["trigger"]["within"]
    assert "prefect.flow-run.Suspended" in silent["trigger"]["expect"], "a run that waits for people has no process"


def test_leases_outlive_the_server() -> None:
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["prefect"]
    assert settings["server"]["concurrency"]["lease_storage"].endswith("lease_storage.filesystem")
