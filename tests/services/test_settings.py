"""Files that the tools read: what they promise is checked without starting anything."""

import configparser
import tomllib
from importlib import import_module
from typing import Any

import prefect
import pytest
import yaml

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


def test_leases_outlive_the_server() -> None:
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["prefect"]
    assert settings["server"]["concurrency"]["lease_storage"].endswith("lease_storage.filesystem")
