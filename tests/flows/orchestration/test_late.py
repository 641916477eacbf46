"""Runs that a later one has overtaken. tests/services/test_downtimes.py has schedules and a worker."""

import pytest
from prefect import flow

from flows.orchestration.late import overtaken


@pytest.mark.usefixtures("prefect")
def test_a_run_that_nobody_deployed_is_not_overtaken() -> None:
    @flow
    def work() -> bool:
        return overtaken()

    assert work() is False
