"""A round, step, version, pair or sample that does not exist is `NotFound`, whatever command names it."""

import pytest

from tasks.state.workspace import Workspace
from tests.commands import Rounds


@pytest.mark.parametrize(
    ("command", "cure"),
    [
        (("show",), "`rounds round -w "),
        (("show", "7"), "`rounds round -w "),
        (("step", "nosuch"), "collect, ingest, curate"),
        (("step", "verdict"), "`rounds round -w "),
        (("promote", "9", "--reason", "better"), "there are: none"),
        (("incident", "open", "--what", "rude"), "--version"),
        (("incident", "open", "--what", "rude", "--version", "9"), "there are: none"),
        (("explain", "--prompt", "Hi", "--answer", "Hello"), "`rounds round -w "),
        (("explain", "--prompt", "Hi", "--answer", "Hello", "--version", "9"), "there are: none"),
        (("explain", "--prompt", "Hi", "--answer", "Hello", "--round", "7"), "finished rounds: none"),
        (("blame", "7"), "finished rounds: none"),
        (("diff", "7", "8"), "finished rounds: none"),
        (("replay", "7", "--into", "replayed"), "finished rounds: none"),
        (("evidence", "9"), "available: none"),
        (("lineage", "policy/9"), "policy@champion"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else "",
)
def test_what_does_not_exist(rounds: Rounds, workspace: Workspace, command: tuple[str, ...], cure: str) -> None:
    result = rounds(*command, "-w", workspace.root)
    assert (result.code, result.err.partition(":")[0]) == (2, "NotFound")
    assert cure in result.err
