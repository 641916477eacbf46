"""The last round is of this code, or it is refused with the commit that restores its code."""

from pathlib import Path

import pytest

from core.errors import BadWorkspace, NotFound
from evaluation.verdict import Verdict
from tasks.registry.alias import Registry
from tasks.rounds import opening
from tasks.state import records
from tasks.state import round as rounds
from tasks.state.workspace import Workspace
from tests.profile import TINY
from tests.tasks.state.recorded import record


@pytest.fixture
def opened(workspace: Workspace) -> Workspace:
    """A workspace with an open round 0 of this code."""
    opening.open_round(workspace, TINY, Registry(workspace.root))
    return workspace


def finish(workspace: Workspace, code: str) -> None:
    finished = record(0, "1", Verdict(bootstrap=True))
    facts = finished.opened.model_copy(update={"code": code, "commit": "1234abcd"})
    records.write(workspace, finished.model_copy(update={"opened": facts}))


def test_a_round_of_this_code(opened: Workspace) -> None:
    records.check_code(opened)
    finish(opened, rounds.code_digest())
    records.check_code(opened)


def test_an_open_round_of_other_code(opened: Workspace) -> None:
    facts = rounds.circumstances(opened)
    facts.model_copy(update={"code": "0" * 16, "commit": "1234abcd"}).save(opened.opened)
    with pytest.raises(BadWorkspace, match=r"git checkout 1234abcd.*--reopen"):
        records.check_code(opened)


def test_a_finished_round_of_other_code_even_without_opened_json(opened: Workspace) -> None:
    finish(opened, "0" * 16)
    opened.opened.unlink()
    with pytest.raises(BadWorkspace, match=r"0000000000000000, now .*git checkout 1234abcd.*`rounds round`"):
        records.check_code(opened)


def test_no_round(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="open one with `rounds round`"):
        records.check_code(Workspace(tmp_path))
