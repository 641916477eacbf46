"""A request is read once, and compared by its effective parameters."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from core.files import write_json
from evaluation.verdict import Verdict
from tasks.registry.alias import Registry
from tasks.registry.versions import ModelVersion
from tasks.rounds.opening import open_round
from tasks.rounds.request import answered, read_request
from tasks.state import records, tombstones
from tasks.state import round as rounds
from tasks.state.choosing import at
from tasks.state.workspace import PROJECT, Workspace
from tests.tasks.state.recorded import record

ANSWERED = """
import sys
from pathlib import Path
from tasks.rounds.request import answered
from tasks.state.workspace import Workspace
print(answered(Workspace(Path(sys.argv[1])), ["seed=3"]).number, "torch" in sys.modules)
"""


class EditedMeanwhile(Registry):
    """A registry that edits params.yaml when it is asked for the champion."""

    def champion(self) -> ModelVersion | None:
        (self._root / "params.yaml").write_text("seed: 7\n")
        return super().champion()

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._root = root


@pytest.fixture
def empty_workspace(tmp_path: Path) -> Workspace:
    return at(tmp_path / "workspace")


def write_record(empty_workspace: Workspace, *overrides: str) -> None:
    """Write the record of a round with the current params.yaml and these overrides."""
    request = read_request(empty_workspace, overrides)
    answering = record(0, "1", Verdict(bootstrap=True))
    opened = {"request": request.fingerprint, "written": request.written, "code": rounds.code_digest()}
    records.write(empty_workspace, answering.model_copy(update={"opened": answering.opened.model_copy(update=opened)}))


def test_an_edit_while_a_round_opens_is_the_next_request(workspace: Workspace) -> None:
    workspace.params.write_text("seed: 3\n")
    before = read_request(workspace, [])
    opened = open_round(workspace, [], EditedMeanwhile(workspace.root))
    assert workspace.params.read_text() == "seed: 7\n"
    assert opened.values["seed"] == 3
    assert rounds.circumstances(workspace).request == before.fingerprint
    assert read_request(workspace, []).fingerprint != before.fingerprint


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("", True),
        ("# seed: 1\n", True),
        ("seed: 0\n", True),
        ("sft:\n  # epochs: 3\n", True),
        ("policy: {use: ppo, kl: {target: null}}\n", True),
        ("verdict:\n  gates:\n    win_rate:\n", False),
        ("seed: 1\n", False),
    ],
)
def test_adding_a_default_to_the_file_is_not_a_new_request(empty_workspace: Workspace, text: str, same: bool) -> None:
    write_record(empty_workspace)
    empty_workspace.params.write_text(text)
    assert (answered(empty_workspace, []) is not None) is same


def test_an_override_equals_the_same_knob_in_the_file(empty_workspace: Workspace) -> None:
    write_record(empty_workspace, "seed=3")
    assert answered(empty_workspace, []) is None
    empty_workspace.params.write_text("seed: 3\n")
    assert answered(empty_workspace, []) == records.last(empty_workspace)


def test_a_round_of_other_code_answers_no_request(empty_workspace: Workspace) -> None:
    write_record(empty_workspace)
    facts = json.loads(records.path(empty_workspace, 0).read_text())
    facts["opened"]["code"] = "0" * 16
    write_json(records.path(empty_workspace, 0), facts)
    assert answered(empty_workspace, []) is None


def test_a_tombstone_is_a_new_request(empty_workspace: Workspace) -> None:
    write_record(empty_workspace)
    tombstones.add(empty_workspace, "ana", "bo", "asked", (0,), ())
    assert answered(empty_workspace, []) is None


def test_answering_from_the_record_does_not_import_torch(empty_workspace: Workspace) -> None:
    write_record(empty_workspace, "seed=3")
    command = [sys.executable, "-c", ANSWERED, str(empty_workspace.root)]
    process = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert process.stdout == "0 False\n"
