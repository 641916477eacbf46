"""`prefect …` with a correction of the server, without which no schedule ever starts a run.

    python -m flows.orchestration.prefect_server server start

The scheduler of Prefect 3.8 inserts runs as mappings that also have the key `state`, a hybrid property. SQLAlchemy 2.0
ignored such a key; SQLAlchemy 2.1 refuses it unless the property says what it means in a bulk insert, and the server
logs the error and goes on without scheduled runs. Here the property says that it is no column, as before.
"""

from collections.abc import MutableMapping
from typing import Any


def correct() -> None:
    """Let bulk inserts of flow runs and task runs ignore the state, which is a row of its own."""
    from prefect.server.database.orm_models import FlowRun, TaskRun

    for table in (FlowRun, TaskRun):
        state: Any = vars(table)["state"]
        if state.bulk_dml_setter is None:
            state.bulk_dml_setter = _ignored


def _ignored(table: type, mapping: MutableMapping[str, Any], value: object) -> None:
    """The value of the key is not inserted."""


if __name__ == "__main__":
    from prefect.cli import app

    correct()
    app()
