"""What the gate `licence` of a workspace forbids."""

from pathlib import Path

import pytest

from core.errors import BadParams
from tasks.state.gates import GATES, VerdictSettings, forbids, forbids_now, terms_now
from tasks.state.workspace import Workspace


def test_every_default_gate_is_used_unless_it_is_null() -> None:
    assert tuple(VerdictSettings().gates) == GATES


def test_the_gate_says_what_keeps_feedback_out_and_without_it_nothing_does() -> None:
    by_default = forbids(VerdictSettings())
    assert [by_default("own", "opt-in"), by_default("own", "no"), by_default("GPL-3.0", "opt-in")] == [
        False,
        True,
        True,
    ]
    without = VerdictSettings.model_validate({"gates": {"licence": None}})
    assert not forbids(without)("GPL-3.0", "no")


def test_it_is_that_of_params_yaml_as_it_is_now(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    assert forbids_now(workspace)("own", "club")
    workspace.params.write_text("verdict: {gates: {licence: {consents: [club]}}}\n")
    assert not forbids_now(workspace)("own", "club")
    assert forbids_now(workspace, ["verdict.gates.licence={consents: [opt-in]}"])("own", "club")
    workspace.params.write_text("verdict: {gates: {licence: {consent: club}}}\n")
    with pytest.raises(BadParams, match=r"verdict\.gates\.licence\.consent"):
        forbids_now(workspace)


def test_what_is_stated_of_sources_is_read_without_the_rest_of_its_section(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    assert terms_now(workspace) == {}
    workspace.params.write_text("curate: {criterion: polite, terms: {http: {consent: 'no'}}}\n")
    assert terms_now(workspace)["http"].consent == "no"
    assert terms_now(workspace, ["curate.terms.http.consent=opt-in"])["http"].consent == "opt-in"
    workspace.params.write_text("curate: {terms: {http: {consents: 'no'}}}\n")
    with pytest.raises(BadParams, match=r"curate\.terms\.http\.consents"):
        terms_now(workspace)
