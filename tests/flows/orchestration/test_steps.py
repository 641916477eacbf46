"""What Prefect stores of a failed step: the message of the error, without the password that a library quoted."""

from pathlib import Path

import pytest

from core.errors import StepFailed
from flows.orchestration.steps import _run
from tasks.state.round import Round
from tasks.state.steplog import StepLog
from tests.tasks.steps.hand_written import opened


def test_an_error_with_a_secret_is_raised_as_ours(tmp_path: Path) -> None:
    def collect(round: Round, log: StepLog) -> None:
        raise ConnectionError("cannot reach https://ana:S3cretword@host/")

    with pytest.raises(StepFailed) as caught:
        _run(collect, opened(tmp_path), StepLog())
    assert "ConnectionError: cannot reach https://ana:***@host/" in str(caught.value)
    assert caught.value.__cause__ is None


def test_any_other_error_stays_what_it_is(tmp_path: Path) -> None:
    def collect(round: Round, log: StepLog) -> None:
        raise ConnectionError("cannot reach https://host/")

    with pytest.raises(ConnectionError):
        _run(collect, opened(tmp_path), StepLog())
