"""Answers as traces in MLflow, as the source of assessments reads them."""

from collections.abc import Iterator

import mlflow
import pytest

from feedback.forgotten import pseudonym
from serving.tracing import Tracer
from tasks.state.workspace import Workspace
from tasks.tools.traces import MlflowTraces
from tests.feedback.store.test_answers import answer

pytestmark = pytest.mark.filterwarnings(
    "ignore:The ``noload`` loader strategy:DeprecationWarning",
    "ignore:.*Any type hint is inferred as AnyType:UserWarning",
)


@pytest.fixture(autouse=True)
def _own_store() -> Iterator[None]:
    yield
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]  # else it holds for later tests, also by the environment


def test_an_answer_is_a_trace(workspace: Workspace) -> None:
    tracer = Tracer(workspace.root, enabled=True, kept=lambda _: True)
    tracer.start()
    tracer.trace(answer("a"))
    tracer.close()
    store = mlflow.MlflowClient()
    experiment = store.get_experiment_by_name("answers")
    assert experiment is not None
    [trace] = store.search_traces(locations=[experiment.experiment_id])
    content = MlflowTraces(workspace.root).content(trace.info.trace_id, None)
    assert content is not None
    assert content.inputs == {"messages": [{"role": "user", "content": "Where is a?"}]}
    assert content.outputs["choices"][0]["message"]["content"] == "Here is a."
    assert (trace.info.tags["version"], trace.info.tags["response_id"]) == ("3", "a")
    assert trace.info.tags["asker"] == pseudonym("shop:ana")


def test_an_answer_that_was_removed_while_its_trace_waited_has_none(workspace: Workspace) -> None:
    tracer = Tracer(workspace.root, enabled=True, kept=lambda name: name == "b")
    tracer.start()
    tracer.trace(answer("a"))
    tracer.trace(answer("b"))
    tracer.close()
    content = workspace.database.read_bytes()
    assert (b"Here is a." in content, b"Here is b." in content) == (False, True)


def test_without_traces_nothing_is_written(workspace: Workspace) -> None:
    tracer = Tracer(workspace.root, enabled=False, kept=lambda _: True)
    tracer.start()
    tracer.trace(answer("a"))
    tracer.close()
    assert mlflow.MlflowClient(f"sqlite:///{workspace.database}").get_experiment_by_name("answers") is None


def test_a_store_that_is_away_keeps_no_answer_waiting(workspace: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    workspace.database.write_bytes(b"no database")
    tracer = Tracer(workspace.root, enabled=True, kept=lambda _: True)
    tracer.start()
    tracer.trace(answer("a"))
    tracer.close()
    assert "no trace of a: " in caplog.text
