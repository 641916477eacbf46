"""Properties of all gates."""

import pytest

from core import plugins
from evaluation.gates import Gate
from tests.evaluation.gates.findings import check


@pytest.mark.parametrize("name", plugins.names("evaluation.gates"))
def test_no_gate_promotes_what_was_not_measured(name: str) -> None:
    gate = plugins.find("evaluation.gates", name)()
    assert isinstance(gate, Gate)
    finding = check(gate, {})
    assert (finding.gate, finding.result) == (name, "hold")
