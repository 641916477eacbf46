"""Traces of answers in a workspace's MLflow, written by the server's own thread; and texts in files, as bytes."""

import os

import mlflow

from feedback.store.answers import ServedAnswer
from serving.tracing import Tracer
from tasks.state.workspace import Workspace
from tasks.tools import tracking


def traced(workspace: Workspace, *answers: ServedAnswer) -> None:
    """Write a trace of each answer."""
    before = os.environ.get(tracking.VARIABLE)
    tracer = Tracer(workspace.root, enabled=True, kept=lambda _: True)
    tracer.start()
    for answer in answers:
        tracer.trace(answer)
    tracer.close()
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]  # else it holds for later tests; removes the variable
    os.environ.update({tracking.VARIABLE: before} if before else {})


def files_with(workspace: Workspace, text: str) -> list[str]:
    """The files of a workspace that have a text."""
    files = (file for file in sorted(workspace.root.rglob("*")) if file.is_file())
    return [workspace.name(file) for file in files if text.encode() in file.read_bytes()]
