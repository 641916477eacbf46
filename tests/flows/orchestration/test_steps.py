"""What Prefect stores of a failed step: the message of the error, without the password that a library quoted."""

from pathlib import Path

import pytest

from core.errors import StepFailed
from flows import round as flow
from flows.orchestration.steps import _run
from tasks.state.round import Round
from tasks.state.steplog import StepLog
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.cures import cures, words
from tests.tasks.steps.hand_written import opened


def test_an_error_with_a_secret_is_raised_as_ours(tmp_path: Path) -> None:
    def collect(round: Round, log: StepLog) -> None:
        raise ConnectionError("cannot reach https://ana:S3cretword@host/")

    with pytest.raises(StepFailed) as caught:
        _run(collect, opened(tmp_path), StepLog())
    assert "ConnectionError: cannot reach https://ana:***@host/" in str(caught.value)
    assert caught.value.__cause__ is None


@cures("flows.orchestration.steps._run: rounds round")
@pytest.mark.usefixtures("prefect")
def test_a_round_goes_on_after_an_error_with_a_secret(
    rounds: Rounds, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = [ConnectionError("cannot reach https://ana:S3cretword@host/")]

    def collect(round: Round, log: StepLog) -> None:
        if errors:
            raise errors.pop()
        raise StepFailed("the step was run again")

    monkeypatch.setattr(flow, "bootstrap", lambda running: running(collect))
    failed = rounds("round", "-w", workspace.root)
    assert (failed.code, "S3cretword" in failed.err) == (2, False), failed
    assert "the step was run again" in rounds(*words(failed.err, "rounds round")[1:]).err


def test_any_other_error_stays_what_it_is(tmp_path: Path) -> None:
    def collect(round: Round, log: StepLog) -> None:
        raise ConnectionError("cannot reach https://host/")

    with pytest.raises(ConnectionError):
        _run(collect, opened(tmp_path), StepLog())
