"""Bars on a terminal, lines elsewhere."""

import io

import pytest

from cli.display.console import console
from cli.display.progress import lines, progress
from tasks.rounds.running import SHOW
from tests.tasks.rounds.test_progress_lines import Standing


def test_in_a_file_progress_is_lines() -> None:
    file = io.StringIO()
    with progress(console(file=file)):
        SHOW.get()("round 1, curate", "curate")({}, 0, 3)
    [line] = file.getvalue().splitlines()
    assert line.split()[1:5] == ["round", "1,", "curate:", "took"]


def test_on_a_terminal_progress_is_bars() -> None:
    file = io.StringIO()
    with progress(console(file=file, force_terminal=True)) as show:
        show("round 1, ingest", "ingest")({"new": 7.0}, 0, 3)
    assert "━" in file.getvalue()
    assert "new 7" in file.getvalue()


def test_the_observer_is_reset_after_a_failure() -> None:
    file, before = io.StringIO(), SHOW.get()
    with pytest.raises(ZeroDivisionError), progress(console(file=file)) as show:
        show("round 1, curate", "curate")({}, 1 // 0)
    assert SHOW.get() is before
    assert " round 1, curate: stopped after " in file.getvalue()


def test_the_clock_can_be_replaced() -> None:
    file = io.StringIO()
    with lines(console(file=file), Standing()) as show:
        show("round 1, curate", "curate")
    assert file.getvalue().startswith("12:00:00 round 1, curate: took 0 s")
