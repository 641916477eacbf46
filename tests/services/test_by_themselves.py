"""From judgements on the label page to a champion and back, with the servers of `rounds up`: people judge, and nobody
starts, approves or ends anything. Rounds that wait for approval are in test_votes_by_people.py."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from playwright.sync_api import Page, expect

from core.settings import override, read
from tasks.registry.alias import Registry
from tasks.state import records
from tasks.tools import tracking
from tests.services.browser import browsing
from tests.services.labelling import press, visited
from tests.services.programs import eventually, in_a_browser, surroundings
from tests.services.site import ENDS, Run, furnished
from tests.services.test_up import Command
from tests.serving.pages.label_tasks import said

pytestmark = [pytest.mark.services, in_a_browser, pytest.mark.timeout(900)]

PAIRS, THUMBS, VOTES = 20, 20, 6
"""What people say: on the label page and over HTTP, which together start a round; and on the pairs of that round."""


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Command]:
    """Everything answers, in a workspace without rounds; its rounds will wait for votes by people."""
    workspace = furnished(tmp_path / "workspace")
    waits = [f"vote.annotator={{use: people, votes: {VOTES}}}"]
    few = [f"ingest.threshold={PAIRS + THUMBS}", "curate.min_holdout=2"]
    default = ["verdict.gates.licence={}"]  # what people say here states terms that are allowed
    workspace.params.write_text(yaml.safe_dump(override(read(workspace.params), [*waits, *few, *default])))
    # every task is a judgement that the round counts
    workspace.serving.write_text(yaml.safe_dump({"label": {"gold": 0, "repeats": 0}}))
    command = Command(workspace, surroundings())
    with command.running():
        yield command


def ask_people(up: Command) -> None:
    """Fill a labelling queue with two answers to each of some prompts."""
    file = up.workspace.root.parent / "pairs.jsonl"
    pairs = ({"prompt": question(number), "responses": answers(number)} for number in range(PAIRS))
    file.write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    up.typed("label", "add", str(file))


def question(number: int) -> str:
    """Each about another item, so that they are no copies of each other."""
    return f"How do I return item {number}?"


def answers(number: int) -> list[str]:
    """A good one and a bad one."""
    return [f"Please send {number} back.", "No."]


def send_thumbs(up: Command) -> None:
    """A program hands in what one more person said: a thumb up and one down on the answers to each of some prompts."""
    thumbs = [
        {"user": "cleo", "prompt": question(number), "completion": answer, "label": answer != "No."}
        for number in range(PAIRS, PAIRS + THUMBS // 2)
        for answer in answers(number)
    ]
    assert served(up, "feedback", {"feedback": thumbs})["stored"] == THUMBS


@contextmanager
def annotators(up: Command) -> Iterator[list[Page]]:
    """Two people who have the label page open."""
    address = f"http://127.0.0.1:{up.ports.serving}"
    with browsing() as browser, visited(browser, address, "ana") as ana, visited(browser, address, "bo") as bo:
        yield [ana, bo]


def judge(pages: Sequence[Page], pairs: int) -> None:
    """In turn, they prefer the longer answer of as many pairs."""
    for page in islice(cycle(pages), pairs):
        left, right = page.locator(".answer > .text").all_inner_texts()
        press(page, "2" if len(left) >= len(right) else "4")


def look_again(page: Page) -> None:
    """Without a task, ask for a new one, which is there."""
    expect(page.locator("h1")).to_have_text("Nothing to label now")
    page.keyboard.press("Enter")
    expect(page.locator(".answer")).to_have_count(2)


def chat(up: Command, person: str) -> dict[str, Any]:
    """What the champion answers."""
    turns = [{"role": "user", "content": "Where do I enter my PIN?"}]
    return served(up, "chat/completions", {"model": "champion", "messages": turns, "user": person})


def dislike(up: Command, people: int) -> None:
    """As many people ask the champion, and give its answers a thumb down for their safety."""
    for person in map("person {}".format, range(people)):
        thumb = {"response_id": chat(up, person)["id"], "user": person, "thumb": "down", "criterion": "safe"}
        assert served(up, "feedback", {"feedback": [thumb]})["stored"] == 1


def served(up: Command, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """POST to the serving app."""
    answer = httpx.post(f"http://127.0.0.1:{up.ports.serving}/v1/{path}", json=body, timeout=60)
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found


def follows(up: Command, version: str) -> None:
    """Return as soon as the serving app answers with the version."""

    def look() -> bool | None:
        ready = httpx.get(f"http://127.0.0.1:{up.ports.serving}/health/ready", timeout=60).json()
        return ready["version"] == version or None

    eventually(look, f"version {version} answers", up.workspace.services_logs, within=60)


def named(up: Command, name: str, state: str) -> Run:
    """The run whose name begins so, as soon as it is in the state."""

    def look() -> Run | None:
        runs: list[Run] = up.ask("flow_runs/filter", {"sort": "START_TIME_DESC"})
        found = [run for run in runs if run["name"].startswith(name)]
        if found and found[0]["state_type"] in ENDS:
            assert found[0]["state_type"] == state, found[0]["state"]
        return found[0] if found and found[0]["state_type"] == state else None

    return eventually(look, f"a run {name}: {state}", up.workspace.services_logs, within=180)


def rolls_back(up: Command, to: str) -> None:
    """Return as soon as a watch that an event started has rolled the champion back."""

    def look() -> bool | None:
        runs: list[Run] = up.ask("flow_runs/filter")
        by_events = [run["name"] for run in runs if (run["created_by"] or {}).get("type") == "AUTOMATION"]
        return any(name.startswith("watch ") and ": rolled back" in name for name in by_events) or None

    eventually(look, "a rollback that live feedback started", up.workspace.services_logs, within=180)
    assert Registry(up.workspace.root).alias() == to


def test_feedback_becomes_a_champion_and_bad_feedback_on_it_a_rollback(up: Command) -> None:
    ask_people(up)
    send_thumbs(up)
    with annotators(up) as pages:
        judge(pages, PAIRS)
        assert Counter(event["annotator_id"] for event in said(up.workspace)) == {
            "local:ana": PAIRS / 2,
            "local:bo": PAIRS / 2,
            "local:cleo": THUMBS,
        }
        waiting = named(up, "round 1 waits for votes", "PAUSED")
        for page in pages:
            look_again(page)
        judge(pages, VOTES)
    ended = named(up, "round 1: promote", "COMPLETED")
    assert ended["id"] == waiting["id"]
    version = records.read(up.workspace, 1).version
    assert ended["created_by"]["type"] == "AUTOMATION"
    assert records.read(up.workspace, 1).metrics["evaluate/votes"] == VOTES
    follows(up, version)
    assert chat(up, "person 0")["system_fingerprint"].startswith(f"policy-{version}-")
    assert started_by_hand(up) == []
    check_links(up, ended)
    dislike(up, people=3)
    rolls_back(up, to="1")
    follows(up, "1")
    assert "rolled back" in up.typed("status")
    assert started_by_hand(up) == []


def started_by_hand(up: Command) -> list[str]:
    """The names of runs that neither a schedule nor an event started."""
    runs: list[Run] = up.ask("flow_runs/filter")
    return [run["name"] for run in runs if (run["created_by"] or {}).get("type") not in ("AUTOMATION", "SCHEDULE")]


def check_links(up: Command, run: Run) -> None:
    """From the round's run in Prefect to that in MLflow, and back."""
    record = records.read(up.workspace, 1)
    tags = tracking.client(up.workspace.root).get_run(record.run_id).data.tags
    assert tags["prefect_run"] == f"http://127.0.0.1:{up.ports.prefect}/runs/flow-run/{run['id']}"
    left = up.ask("artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}})
    newest = {each["key"].partition("-round-")[2]: each["data"] for each in sorted(left, key=lambda it: it["created"])}
    page = f"http://127.0.0.1:{up.ports.mlflow}/#/experiments/{record.experiment}/runs/{record.run_id}"
    assert page in newest["in-mlflow"]
    assert page in newest["summary"]
    assert all(gate in newest["gates"] for gate in ("kl_budget", "licence"))
    assert float(newest["progress"]) == 100
