"""The description in OpenAPI is kept: schemathesis makes requests from it, and checks each response against it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from schemathesis import GenerationMode

from feedback.store import keys
from serving.app import create_app
from serving.context import Serving
from tasks.state.workspace import Workspace
from tests.serving.served import SETTINGS, listening, ready
from tests.workspaces import moved

EXAMPLES = 15
"""For each route and kind of request; each is a whole request over a socket."""

PLAIN = ["/v1/models", "/health/live", "/health/ready", "/metrics", "/thumbs.js"]
"""Routes without parameters: no request to them is invalid."""

ROUTES = [("POST", "/v1/chat/completions"), ("POST", "/v1/feedback"), ("GET", "/v1/models/{model}")]


class Described(NamedTuple):
    """A description, and the header with which it is tried."""

    schema: Any
    key: dict[str, str]


@pytest.fixture(scope="module")
def described(three_versions: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Described]:
    """The description of a server that has a key, as an operator reads it."""
    serving = Serving.of(moved(three_versions, tmp_path_factory.mktemp("described") / "workspace"), SETTINGS)
    with listening(create_app(serving)) as address:
        ready(serving)
        key = keys.make(serving.storage.database(), "boss", "operator", datetime.now(UTC))
        yield Described(schemathesis.openapi.from_url(f"{address}/openapi.json"), {"Authorization": f"Bearer {key}"})


def contradicts_itself(body: Any) -> bool:
    """The two rules for a request that its schema does not express: the last turn, and `n` beside `side_by_side`."""
    if not isinstance(body, dict):
        return False
    turns = body.get("messages")
    last = turns[-1] if isinstance(turns, list) and turns else None
    both = body.get("side_by_side") is not None and body.get("n") not in (None, 1)
    return both or (isinstance(last, dict) and last.get("role") == "assistant")


def check(described: Described, method: str, path: str, mode: GenerationMode, examples: int = EXAMPLES) -> None:
    """Make requests, and check each response."""
    operation = described.schema[path][method]

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(case=operation.as_strategy(mode))
    def holds(case: schemathesis.Case[Any]) -> None:
        assume(not contradicts_itself(case.body))
        case.call_and_validate(headers=described.key)

    holds()


@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_route_answers_as_it_is_described(described: Described, method: str, path: str, mode: GenerationMode) -> None:
    check(described, method, path, mode)


@pytest.mark.parametrize("path", PLAIN)
def test_a_route_without_parameters_answers_as_it_is_described(described: Described, path: str) -> None:
    check(described, "GET", path, GenerationMode.POSITIVE, examples=1)


def test_every_route_is_checked(described: Described) -> None:
    assert set(described.schema) == {*PLAIN, *(path for _, path in ROUTES)}
