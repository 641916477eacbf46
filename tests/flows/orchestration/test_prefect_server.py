"""The correction of Prefect's server. tests/services/test_up.py has a server that makes scheduled runs."""

import ast
import warnings
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import inspect
from sqlalchemy.ext.hybrid import HybridExtensionType

from flows.orchestration import prefect_server


def test_the_key_state_is_no_obstacle_in_a_bulk_insert() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Prefect's tables, on SQLAlchemy 2.1
        from prefect.server.database.orm_models import FlowRun

        prefect_server.correct()
    state = inspect(FlowRun).all_orm_descriptors["state"]
    assert state.extension_type is HybridExtensionType.HYBRID_PROPERTY
    mapping = {"state": "SCHEDULED", "name": "round 1"}
    ignore = FlowRun.state._bulk_dml_setter("state")
    assert ignore is not None
    ignore(mapping)  # as SQLAlchemy does for each row
    assert mapping["name"] == "round 1"


def test_the_correction_is_still_needed() -> None:
    """If this fails, Prefect has its own: remove the module."""
    spec = find_spec("prefect")
    assert spec is not None
    [folder] = spec.submodule_search_locations or []
    text = Path(folder, "server/database/orm_models.py").read_text(encoding="utf-8")
    assert "bulk_dml" not in {node.attr for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Attribute)}
