"""The full report on drift, by Evidently: the extra `reports` is installed here."""

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tasks.analysis.drift import page as dashboard
from tasks.analysis.drift import sections
from tasks.analysis.drift.sections import Section
from tasks.registry.alias import Registry
from tasks.registry.archive import Archive
from tasks.state.workspace import Workspace
from tests.services.programs import BIN, browsed, in_a_browser, run_command, surroundings

pytestmark = [pytest.mark.services, pytest.mark.timeout(400)]

TOPICS = ("refund", "parcel", "invoice", "warranty")


def answered(seed: int, longer: int = 0, ended: float = 0.9) -> Sequence[dict[str, Any]]:
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
    section: Section = sections.answers(answered(0), now)
    return dashboard.draw(section, folder / "page.html")


def test_nothing_planted_is_nothing_found(tmp_path: Path) -> None:
    drift_page = drawn(answered(1), tmp_path)
    assert (drift_page.before, drift_page.now, drift_page.drifted) == (200, 200, 0)
    assert drift_page.columns == 5  # nobody knows a reward


def test_what_is_planted_is_found(tmp_path: Path) -> None:
    assert drawn(answered(1, longer=5), tmp_path).drifted == 1
    assert drawn(answered(1, longer=5, ended=0.5), tmp_path).drifted == 2


def test_the_command_draws_the_newest_round_and_keeps_it_with_its_run(continued: Workspace) -> None:
    Registry(continued.root).alias()  # corrects the addresses of a copy, with a warning
    result = run_command([str(BIN / "python"), "-m", "cli", "drift", "-w", str(continued.root)], surroundings())
    assert result.returncode == 0, result.stdout + result.stderr
    assert not result.stderr
    assert result.stdout.startswith("Round 1")
    assert "votes: too few rows to compare" in result.stdout  # nobody had voted before round 1
    pages = {path.name for path in (continued.dashboards / "round-00001").iterdir()}
    assert pages == {"prompts.html", "answers.html"}
    saved = Archive(continued.root).files(Archive(continued.root).finished("1").run_id, "drift")
    assert pages < {Path(name).name for name in saved}


@in_a_browser
def test_the_page_shows_each_column_in_a_browser_without_a_network(tmp_path: Path) -> None:
    drift_page = drawn(answered(1, longer=5), tmp_path)
    page = browsed(drift_page.path.as_uri(), tmp_path / "profile")
    for text in ("Drifted Columns", "tokens", "Percentile text content drift", "ended"):
        assert text in page


def refused(workspace: Workspace) -> str:
    result = run_command([str(BIN / "python"), "-m", "cli", "drift", "-w", str(workspace.root)], surroundings())
    assert result.returncode == 2
    return result.stderr


def test_what_cannot_be_compared_is_refused_with_the_cure(workspace: Workspace, continued: Workspace) -> None:
    assert f"`rounds round -w {workspace.root}`" in refused(workspace)
    (continued.samples / "samples.arrow").unlink()
    assert "round 1 has not sampled its answers" in refused(continued)
