"""The app as a whole: what its routes do not do."""

import ast
from pathlib import Path

from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from serving import app as apps
from tests.pages import ROOT


def test_every_router_is_in_the_app() -> None:
    declared = {
        file.stem
        for file in (ROOT / "serving").rglob("*.py")
        if any(isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "router" for node in _body(file))
    }
    assert {_module(router.routes[0]) for router in apps.ROUTERS} == declared


def _body(file: Path) -> list[ast.stmt]:
    return ast.parse(file.read_text(encoding="utf-8")).body


def _module(route: object) -> str:
    assert isinstance(route, APIRoute)
    return str(route.endpoint.__module__).rpartition(".")[2]


def test_no_parameter_is_a_path_of_a_file(client: TestClient) -> None:
    description = client.get("/openapi.json").json()
    names = {
        parameter["name"]
        for path in description["paths"].values()
        for operation in path.values()
        for parameter in operation.get("parameters", [])
    }
    assert names == {"model", "idempotency-key"}


def test_there_are_no_pages_that_load_scripts_of_others(client: TestClient) -> None:
    assert [client.get(path).status_code for path in ("/docs", "/redoc")] == [404, 404]
