import sys

import pytest

from cli.__main__ import main
from tests.cli.commands import Flows, Said


@pytest.fixture
def flows(surroundings: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Flows:
    """`python -m flows …` with the words given, in this process."""
    monkeypatch.setenv("COLUMNS", "200")

    def typed(*words: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["flows", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        return Said(end.value.code, *capsys.readouterr())

    return typed
