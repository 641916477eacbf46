"""Commands in messages get the options that chose the workspace and the knobs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.display import commands
from cli.display.commands import completed


@pytest.fixture(autouse=True)
def options() -> Iterator[None]:
    """As of `rounds round -w "it's new" -S policy.steps=4 -S 'vote.annotator={use: people}'`."""
    commands.keep_workspace(Path("it's new"))
    commands.keep_overrides(["policy.steps=4", "vote.annotator={use: people}"])
    yield
    commands.forget()


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("rounds round", """rounds round -w 'it'"'"'s new'"""),
        (
            "rounds round --reopen",
            """rounds round --reopen -S policy.steps=4 -S 'vote.annotator={use: people}' -w 'it'"'"'s new'""",
        ),
        ("rounds promote 3 --reason …", """rounds promote 3 --reason … -w 'it'"'"'s new'"""),
        ("rounds round --workspace DIR -S model.base=x", "rounds round --workspace DIR -S model.base=x"),
        ("rounds round -w elsewhere", "rounds round -w elsewhere"),
        ("rounds init elsewhere", "rounds init elsewhere"),
        ("rounds feedback inspect FILE", "rounds feedback inspect FILE"),
        ("rounds audit keygen FILE", "rounds audit keygen FILE"),
        ("git checkout 1234abcd", "git checkout 1234abcd"),
    ],
)
def test_a_command_is_completed(command: str, expected: str) -> None:
    assert completed(f"no round; type `{command}`, then wait") == f"no round; type `{expected}`, then wait"


def test_without_options_it_stays_as_it_is() -> None:
    commands.forget()
    assert completed("`rounds round --reopen`") == "`rounds round --reopen`"
