"""A request is read once, and compared by its effective parameters."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from core.files import write_json
from tasks.registry.alias import Registry
from tasks.registry.versions import ModelVersion
from tasks.rounds.opening import open_round
from tasks.rounds.request import answered, ask
from tasks.state import records
from tasks.state import round as rounds
from tasks.state.workspace import PROJECT, Workspace, at

ANSWERED = """
import sys
from pathlib import Path
from tasks.rounds.request import answered
from tasks.state.workspace import Workspace
print(answered(Workspace(Path(sys.argv[1])), ["seed=3"])["number"], "torch" in sys.modules)
"""


class EditedMeanwhile(Registry):
    """A registry during whose answer somebody edits params.yaml."""

    def champion(self) -> ModelVersion | None:
        (self._root / "params.yaml").write_text("seed: 7\n")
        return super().champion()

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._root = root


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return at(tmp_path / "workspace")


def answer(place: Workspace, *overrides: str) -> None:
    """Leave the record of a round that was asked for by params.yaml as it is."""
    request = ask(place, overrides)
    asked = {"request": request.fingerprint, "written": request.written, "code": rounds.code_digest()}
    write_json(records.path(place, 0), {"number": 0, "opened": asked})


def test_an_edit_while_a_round_opens_is_the_next_request(workspace: Workspace) -> None:
    workspace.params.write_text("seed: 3\n")
    before = ask(workspace, [])
    opened = open_round(workspace, [], EditedMeanwhile(workspace.root))
    assert workspace.params.read_text() == "seed: 7\n"
    assert opened.values["seed"] == 3
    assert rounds.circumstances(workspace).request == before.fingerprint
    assert ask(workspace, []).fingerprint != before.fingerprint


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
def test_a_default_written_out_is_no_new_request(place: Workspace, text: str, same: bool) -> None:
    answer(place)
    place.params.write_text(text)
    assert (answered(place, []) is not None) is same


def test_an_override_asks_what_the_same_knob_in_the_file_asks(place: Workspace) -> None:
    answer(place, "seed=3")
    assert answered(place, []) is None
    place.params.write_text("seed: 3\n")
    assert answered(place, []) == records.last(place)


def test_a_round_of_other_code_has_not_answered(place: Workspace) -> None:
    answer(place)
    record = json.loads(records.path(place, 0).read_text())
    record["opened"]["code"] = "0" * 16
    write_json(records.path(place, 0), record)
    assert answered(place, []) is None


def test_an_answer_from_the_record_does_not_wait_for_torch(place: Workspace) -> None:
    answer(place, "seed=3")
    command = [sys.executable, "-c", ANSWERED, str(place.root)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout == "0 False\n"
