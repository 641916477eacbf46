"""Traces in MLflow: what an application was asked and answered, and the assessments that people gave it.

The server writes them, a source reads them, and they are removed with the answers that they are about.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from core import urls
from core.errors import BadFeedback
from core.shown import noted
from feedback.sources import Source, TraceContent
from tasks.state import identity
from tasks.state.workspace import Workspace
from tasks.tools import lines, tracking

if TYPE_CHECKING:  # importing MLflow takes seconds, so functions import it
    from mlflow import MlflowClient as MlflowClient
    from mlflow.entities import Span as Span
    from mlflow.entities import Trace as Trace

PAGE = 200
"""Number of traces per request."""

RESPONSE, ASKER, WORKSPACE = "response_id", "asker", "workspace"
"""Tags of a trace of a served answer: its id, the SHA-256 of the id of its asker, and the id of the workspace: several
workspaces may serve one line."""

_DELETED = 100
"""Number of traces that one request deletes: MLflow's limit."""

_LOCKED = 20.0
"""Seconds to wait for others that use MLflow's database."""


class AnsweredTrace(NamedTuple):
    """One answer of an application, for a trace."""

    name: str
    messages: Sequence[Mapping[str, str]]
    """The conversation."""
    answer: str
    tags: Mapping[str, str]
    began: int
    """Nanoseconds since 1970."""
    ended: int


def write(root: Path, experiment: str, trace: AnsweredTrace) -> str:
    """Write a trace to an experiment of the workspace's store, which is made if it is missing; returns its id.

    MLflow writes traces to the store of the process: this sets it.

    Raises:
        NoTracking: MLflow does not answer.
    """
    store = tracking.client(root)
    with tracking.answering(root):
        import mlflow

        mlflow.set_tracking_uri(tracking.uri(root))
        found = tracking.find_experiment(store, experiment)
        span = mlflow.start_span_no_context(
            trace.name,
            span_type="CHAT_MODEL",
            inputs={"messages": [dict(turn) for turn in trace.messages]},
            tags={name: noted(value) for name, value in trace.tags.items()} | {WORKSPACE: _own(root)},
            experiment_id=found or store.create_experiment(experiment),
            start_time_ns=trace.began,
        )
        span.set_outputs({"choices": [{"message": {"role": "assistant", "content": trace.answer}}]})
        span.end(end_time_ns=trace.ended)
        return str(span.trace_id)


def remove(root: Path, tag: str, value: str, write: bool) -> int:
    """Remove the traces of the workspace's served answers that have a tag; returns their number.

    Args:
        root: the workspace's folder.
        tag: `RESPONSE` or `ASKER`.
        value: of the tag; without quotation marks.
        write: False to count them only.

    Raises:
        NoTracking: MLflow does not answer, or its database is in use.
    """
    return _remove(root, f"tags.{tag} = '{value}'", write)


def expire(root: Path, before: datetime, write: bool) -> int:
    """Remove the traces of the workspace's served answers that began before a time; returns their number.

    Without `write`, they are counted. The disk is not freed: `compact` does that.

    Raises:
        NoTracking: MLflow does not answer.
    """
    return _remove(root, f"timestamp_ms < {int(before.timestamp() * 1000)}", write)


def compact(root: Path) -> None:
    """Free the disk of deleted traces, so that no byte of them is left, if the store is a file of SQLite.

    Raises:
        NoTracking: others have been using the file for 20 seconds.
    """
    file = urls.sqlite_file(tracking.uri(root))
    if file is None or not file.exists():
        return
    with tracking.answering(root), closing(sqlite3.connect(file, timeout=_LOCKED, isolation_level=None)) as database:
        database.execute("VACUUM")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _remove(root: Path, condition: str, write: bool) -> int:
    if not tracking.exists(root):
        return 0
    store = tracking.client(root)
    with tracking.answering(root):
        experiment = tracking.find_experiment(store, lines.working(store, root).answers)
        own = f"{condition} AND tags.{WORKSPACE} = '{_own(root)}'"
        found = list(_ids(store, experiment, own)) if experiment else []
        for start in range(0, len(found) if write else 0, _DELETED):
            store.delete_traces(str(experiment), trace_ids=found[start : start + _DELETED])
    return len(found)


def _own(root: Path) -> str:
    return identity.made(Workspace(root)).id


def _ids(store: "MlflowClient", experiment: str, condition: str) -> Iterator[str]:
    token = None
    while True:
        page = store.search_traces(
            locations=[experiment],
            filter_string=condition,
            max_results=PAGE,
            include_spans=False,
            page_token=token,
        )
        yield from (trace.info.trace_id for trace in page)
        if not (token := page.token):
            return


def connected(sources: Iterable[Source], root: Path) -> list[Source]:
    """The sources, those that read traces with access to MLflow; it is imported when the first trace is read."""
    return [source.reading(partial(MlflowTraces, root)) for source in sources]


class MlflowTraces:
    """The traces in one MLflow store."""

    def __init__(self, root: Path, address: str | None = None) -> None:
        self._address = address or tracking.uri(root)
        self._client: MlflowClient | None = None
        self._last: tuple[str, Sequence[Span]] | None = None

    def assessed(self, experiments: Sequence[str], condition: str) -> Iterator[Mapping[str, Any]]:
        """The traces with assessments, oldest first: `{trace_id, assessments: […]}`.

        Raises:
            BadFeedback: an experiment does not exist, the condition is not understood, or MLflow does not answer.
        """
        locations = [self._experiment(name) for name in experiments]
        search = partial(
            self._mlflow().search_traces,
            locations=locations,
            filter_string=condition or None,
            max_results=PAGE,
            order_by=["timestamp_ms ASC"],
            include_spans=False,
        )
        for trace in self._pages(search):
            if trace.info.assessments:
                assessments = [
                    assessment.to_dictionary()  # type: ignore[no-untyped-call]  # MLflow's
                    for assessment in trace.info.assessments
                ]
                yield {"trace_id": trace.info.trace_id, "assessments": assessments}

    def content(self, trace_id: str, span_id: str | None) -> TraceContent | None:
        """Inputs and outputs of a trace, or of one of its spans; None if there is no such trace.

        Raises:
            BadFeedback: MLflow does not answer.
        """
        if self._last is None or self._last[0] != trace_id:  # a trace often has several assessments
            self._last = trace_id, self._spans(trace_id)
        chosen = (span for span in self._last[1] if (span.span_id == span_id if span_id else span.parent_id is None))
        return next((TraceContent(span.inputs, span.outputs) for span in chosen), None)

    def _spans(self, trace_id: str) -> Sequence["Span"]:
        """The spans of a trace; none if there is no such trace."""
        with self._answering():
            from mlflow.exceptions import MlflowException

            try:
                spans: list[Span] = self._mlflow().get_trace(trace_id, display=False).data.spans
            except MlflowException as error:
                if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"):
                    return ()
                raise
            return spans

    def _pages(self, search: Callable[..., Any]) -> Iterator["Trace"]:
        token = None
        while True:
            with self._answering():
                page = search(page_token=token)
            yield from page
            if not (token := page.token):
                return

    def _experiment(self, name: str) -> str:
        with self._answering():
            experiment = self._mlflow().get_experiment_by_name(name)
            if experiment is None:
                names = ", ".join(sorted(known.name for known in self._mlflow().search_experiments()))
                raise BadFeedback(f"{self._address}: there is no experiment {name!r}; there are: {names}")
        return str(experiment.experiment_id)

    def _mlflow(self) -> "MlflowClient":
        if self._client is None:
            self._check_exists()
            from mlflow import MlflowClient as MlflowClient

            self._client = MlflowClient(tracking_uri=self._address)
        return self._client

    def _check_exists(self) -> None:
        """MLflow would create a database file that does not exist."""
        file = Path(unquote(self._address.partition(":///")[2]))
        if self._address.startswith("sqlite") and not file.is_file():
            raise BadFeedback(f"{file}: there is no MLflow database; set `tracking_uri` of the source to its address")

    @contextmanager
    def _answering(self) -> Iterator[None]:
        tracking.set_environment()
        from mlflow.exceptions import MlflowException

        try:
            yield
        except MlflowException as error:
            raise BadFeedback(
                f"{self._address}: MLflow does not return the traces; check the address (`tracking_uri`), the server, "
                f"and the condition (`filter`)\n{error}"
            ) from error
