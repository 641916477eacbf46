"""Every command that a message prints as its cure is typed by a test that first brings the message about."""

import ast

import pytest

from tests.cures import UNTYPED, Place, found, printed, tried, words


def test_every_command_in_a_message_is_tried() -> None:
    assert sorted({str(place) for place in printed()} - tried().keys() - UNTYPED.keys()) == []


def test_what_is_tried_is_printed() -> None:
    places = {str(place) for place in printed()}
    assert {place: test for place, test in (tried() | UNTYPED).items() if place not in places} == {}


def places(text: str) -> list[str]:
    return [place.command for place in found(ast.parse(f"def check():\n    raise NotFound({text})"), "m")]


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("'no round; open one with `rounds round`'", ["rounds round"]),
        ("f'version {n}; type `rounds promote {n} --reason …`'", ["rounds promote … --reason …"]),
        ("'one' f'two; `git checkout {commit}` or ' 'set HF_HOME to it'", ["git checkout …", "set HF_HOME"]),
        ("'unset PREFECT_API_URL'", ["unset PREFECT_API_URL"]),
        ("'another with -S versioning.remote=NAME, or'", ["-S versioning.remote=NAME"]),
        ("f'set -S {each}'", ["-S …"]),
        ("f'a round with -S {each} is open'", []),
        ("'the column `prompt` is empty'", []),
    ],
)
def test_a_command_in_a_message_is_found(text: str, commands: list[str]) -> None:
    assert places(text) == commands


def test_docstrings_and_help_texts_are_no_messages() -> None:
    text = 'def f(a=Option(help="`rounds round`")):\n    """Type `rounds round`."""\n    g("`rounds plan`")'
    assert list(found(ast.parse(text), "m")) == [Place("m.f", "rounds plan")]


def test_words_are_those_that_a_shell_reads() -> None:
    printed = "BadWorkspace: type `rounds init 'a b'` or `rounds promote 3 --reason …`"
    assert words(printed, "rounds init") == ["rounds", "init", "a b"]
    assert words(printed, "rounds promote", dots="because") == ["rounds", "promote", "3", "--reason", "because"]
