"""Runs and metrics in MLflow: one parent run per round, one child run per step. The door to MLflow."""

from typing import TYPE_CHECKING

from tasks.tools.tracking.address import PAGES, VARIABLE, exists, is_local, pages, run_page, served, uri
from tasks.tools.tracking.aliases import CHAMPION, MISSING, aliased
from tasks.tools.tracking.connection import (
    NoTracking,
    answering,
    client,
    explained,
    full_disk,
    set_environment,
    without_statement,
)
from tasks.tools.tracking.experiments import (
    LINE,
    MOST_PARAMS,
    NoFiles,
    abandon,
    began_at,
    download,
    experiment,
    experiment_of,
    find_experiment,
    find_or_create,
    knows,
    rounds_experiment,
    set_tags,
)
from tasks.tools.tracking.round_run import NOTE, RoundRun, texts
from tasks.tools.tracking.step_run import StepRun

if TYPE_CHECKING:  # importing MLflow takes seconds
    from mlflow import MlflowClient as MlflowClient
    from mlflow.entities import Run as Run

__all__ = [
    "CHAMPION",
    "LINE",
    "MISSING",
    "MOST_PARAMS",
    "NOTE",
    "PAGES",
    "VARIABLE",
    "NoFiles",
    "NoTracking",
    "RoundRun",
    "StepRun",
    "abandon",
    "aliased",
    "answering",
    "began_at",
    "client",
    "download",
    "exists",
    "experiment",
    "experiment_of",
    "explained",
    "find_experiment",
    "find_or_create",
    "full_disk",
    "is_local",
    "knows",
    "pages",
    "rounds_experiment",
    "run_page",
    "served",
    "set_environment",
    "set_tags",
    "texts",
    "uri",
    "without_statement",
]
