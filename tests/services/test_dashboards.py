"""The full report on drift, by Evidently: the extra `reports` is installed here."""

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tasks.analysis.drift import page as dashboard
from tasks.analysis.drift import sections
from tasks.analysis.drift.sections import Section
from tasks.registry.archive import Archive
from tasks.state.workspace import Workspace
from tests.services.programs import BIN, browsed, in_a_browser, surroundings, told

pytestmark = [pytest.mark.services, pytest.mark.timeout(400)]

TOPICS = ("refund", "parcel", "invoice", "warranty")


def spoken(seed: int, longer: int = 0, ended: float = 0.9) -> Sequence[dict[str, Any]]:
    """Two hundred answers of which nothing but the words, the length and the share of whole ones is known."""
    draw = Random(seed)
    return [
        {
            "answer": f"Your {draw.choice(TOPICS)} is {draw.choice(TOPICS)} number {draw.randrange(50)}",
            "tokens": draw.randrange(10, 20) + longer,
            "reward": None,
            "judge": draw.gauss(0, 1),
            "kl": draw.gauss(3, 1),
            "ended": str(draw.random() < ended),
        }
        for _ in range(200)
    ]


def drawn(now: Sequence[dict[str, Any]], folder: Path) -> dashboard.DriftPage:
    found: Section = sections.answers(spoken(0), now)
    return dashboard.draw(found, folder / "page.html")


def test_nothing_planted_is_nothing_found(tmp_path: Path) -> None:
    found = drawn(spoken(1), tmp_path)
    assert (found.before, found.now, found.drifted) == (200, 200, 0)
    assert found.columns == 5  # nobody knows a reward


def test_what_is_planted_is_found(tmp_path: Path) -> None:
    assert drawn(spoken(1, longer=5), tmp_path).drifted == 1
    assert drawn(spoken(1, longer=5, ended=0.5), tmp_path).drifted == 2


def test_the_command_draws_the_newest_round_and_keeps_it_with_its_run(finished: Workspace) -> None:
    said = told([str(BIN / "python"), "-m", "cli", "drift", "-w", str(finished.root)], surroundings())
    assert said.returncode == 0, said.stdout + said.stderr
    assert not said.stderr
    assert said.stdout.startswith("Round 1")
    assert "votes: too few rows to compare" in said.stdout  # nobody had voted before round 1
    pages = {path.name for path in (finished.dashboards / "round-00001").iterdir()}
    assert pages == {"prompts.html", "answers.html"}
    kept = Archive(finished.root).files(Archive(finished.root).finished("1").run_id, "drift")
    assert pages < {Path(name).name for name in kept}


@in_a_browser
def test_the_page_shows_each_column_in_a_browser_without_a_network(tmp_path: Path) -> None:
    found = drawn(spoken(1, longer=5), tmp_path)
    page = browsed(found.path.as_uri(), tmp_path / "profile")
    for text in ("Drifted Columns", "tokens", "Percentile text content drift", "ended"):
        assert text in page


def refused(place: Workspace) -> str:
    said = told([str(BIN / "python"), "-m", "cli", "drift", "-w", str(place.root)], surroundings())
    assert said.returncode == 2
    return said.stderr


def test_what_cannot_be_compared_is_refused_with_the_cure(workspace: Workspace, continued: Workspace) -> None:
    assert "`rounds round`" in refused(workspace)
    (continued.samples / "samples.arrow").unlink()
    assert "round 1 has not sampled its answers" in refused(continued)
