"""The dashboard: for operators only, and what they start from it, at a door that keeps what it was asked."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import pytest
from starlette.testclient import TestClient

from evaluation.verdict import Finding, Verdict
from feedback import pairs
from serving.app import create_app
from serving.context import Serving
from serving.pages import dashboard
from serving.pages.dashboard import deployment_runs, gathered_of, reader_of
from tasks.people import keys, waiting
from tasks.people.waiting import Candidate, VotesNeeded
from tasks.registry import audit
from tasks.state import records
from tasks.state.cost import RoundCost
from tasks.state.usage import StepUsage
from tasks.state.workspace import Workspace
from tasks.tools.deployments import DeploymentRun, ListedRuns
from tasks.tools.prefect_api import NoPrefect
from tests.serving.hanging import Hanging
from tests.serving.pages.browsing import heading, log_in, submit
from tests.tasks.people.test_candidate_review import evaluated
from tests.tasks.people.waiting_round import pair
from tests.tasks.rounds.open_round import opened
from tests.tasks.state.recorded import record

AT = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
METRICS = {"evaluate/win_rate": 0.6, "evaluate/win_rate_low": 0.55, "evaluate/win_rate_high": 0.65, "evaluate/votes": 9}
SURE = {"confirmed": "yes", "reason": "it is rude"}


class Runs:
    """The door to Prefect, which keeps what it was asked and starts nothing."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, object], str]] = []
        self.problem: str | None = None
        self.failed: tuple[DeploymentRun, ...] = ()

    def start(self, deployment: str, parameters: Mapping[str, object], key: str) -> DeploymentRun:
        """Keep it."""
        if self.problem:
            raise NoPrefect(self.problem)
        self.asked.append((deployment, dict(parameters), key))
        return self.listed().running[0]

    def listed(self) -> ListedRuns:
        """One run, and those that failed."""
        if self.problem:
            raise NoPrefect(self.problem)
        run = DeploymentRun("id", "brave-owl", "round-on-feedback", "Running", AT, "http://127.0.0.1:4200/runs/id")
        return ListedRuns((run,), self.failed)


@pytest.fixture
def runs() -> Runs:
    """The door."""
    return Runs()


@pytest.fixture
def client(serving: Serving, runs: Runs) -> Iterator[TestClient]:
    """The app with that door."""
    app = create_app(serving)
    app.dependency_overrides[deployment_runs] = lambda: runs
    with TestClient(app) as opened:
        yield opened
    reader_of.cache_clear()


@pytest.fixture
def rounds(workspace: Workspace) -> Workspace:
    """A finished round 1, whose version is champion."""
    finding = Finding(gate="win_rate", result="promote", reason="60 % <b>of</b> 9", numbers={})
    cost = RoundCost(steps={"policy": StepUsage(wall=90.0, cpu=80.0, sampled=1234)}, hour=2.0, currency="EUR")
    done = record(1, "2", Verdict(findings=(finding,)))
    records.write(workspace, done.model_copy(update={"metrics": METRICS, "cost": cost}))
    audit.append(workspace.audit, "promote", "rounds", model="policy", left="1", now="2", reason="60 %")
    return workspace


def test_the_dashboard_is_for_operators(client: TestClient, workspace: Workspace) -> None:
    ana = keys.make(workspace, "ana", "annotator")
    log_in(client, key=ana)
    for path in ("/dashboard", "/dashboard/state", "/dashboard/rounds/1"):
        page = client.get(path)
        assert (page.status_code, heading(page)) == (403, "This is not for you")
    assert "Dashboard" not in client.get("/label").text


def test_nobody_sees_it_without_a_login(client: TestClient) -> None:
    assert client.get("/dashboard", follow_redirects=False).headers["location"] == "/login?next=/dashboard"


def test_a_new_workspace_has_a_dashboard(client: TestClient) -> None:
    log_in(client, name="ana")
    page = client.get("/dashboard")
    assert page.status_code == 200
    for text in ("No round is open.", "No version yet", "No round has finished yet.", "0 of ", "Run a round"):
        assert text in page.text
    assert "/dashboard/rollback" not in page.text


def test_a_drift_alarm_leads_to_what_explains_it(client: TestClient, rounds: Workspace) -> None:
    alarm = {"drift/kl_rise": 7.0, "drift/kl_rise_p": 0.0004, "drift/kl_rise_alarm": 1.0}
    done = records.read(rounds, 1)
    records.write(rounds, done.model_copy(update={"metrics": METRICS | alarm}))
    log_in(client, name="ana")
    page = client.get("/dashboard").text
    assert "round 1: drift/kl_rise 7" in page
    [link] = re.findall(r'href="(/dashboard/rounds/[^"]*#drift)"', page)
    explained = client.get(link).text
    assert 'id="drift"' in explained
    assert re.search(r"KL rise</th><td>alarm</td>.*&lt; .001", explained)


def test_rounds_champion_cost_and_runs_are_shown(client: TestClient, rounds: Workspace) -> None:
    log_in(client, name="ana")
    text = client.get("/dashboard").text
    for part in (
        "Version 2",
        "60.0 %",
        "55.0 to 65.0",
        "1 min 30 s",
        "1,234",
        "0.05 EUR",
        "brave-owl",
        "Win rate by round. 1: 60% (55% to 65%).",
    ):
        assert part in text
    assert 'href="/dashboard/rounds/1"' in text


def test_the_page_of_a_round_has_its_gates_and_the_cost_of_its_steps(client: TestClient, rounds: Workspace) -> None:
    log_in(client, name="ana")
    text = client.get("/dashboard/rounds/1").text
    assert "60 % &lt;b&gt;of&lt;/b&gt; 9" in text
    assert "1 min 20 s" in text
    assert "evaluate/win_rate_low" in text
    assert "machine" not in text
    for nothing in ("7", "-1", "one", "9" * 300, "9" * 5000):
        assert client.get(f"/dashboard/rounds/{nothing}").status_code == 404


def test_the_page_of_a_round_names_the_machines_of_its_steps(client: TestClient, rounds: Workspace) -> None:
    steps = {"sft": StepUsage(wall=1.0), "policy": StepUsage(wall=90.0, machine="gpu-<1>")}
    records.write(rounds, records.read(rounds, 1).model_copy(update={"cost": RoundCost(steps=steps)}))
    log_in(client, name="ana")
    text = client.get("/dashboard/rounds/1").text
    assert "<td>gpu-&lt;1&gt;</td>" in text
    assert "<td>that of the round</td>" in text


def test_the_page_of_a_round_leads_to_its_run_on_a_server(
    client: TestClient, rounds: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(client, name="ana")
    assert "/#/experiments/" not in client.get("/dashboard/rounds/1").text
    monkeypatch.setenv("ROUNDS_MLFLOW_PAGES", "http://127.0.0.1:5001")  # as `rounds up` sets it
    assert f"http://127.0.0.1:5001/#/experiments/1/runs/{1:032x}" in client.get("/dashboard/rounds/1").text
    assert 'href="http://127.0.0.1:5001/#/experiments/1/runs?' in client.get("/dashboard").text
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ana:secret@127.0.0.1:5000/")
    text = client.get("/dashboard/rounds/1").text
    assert f":5000/#/experiments/1/runs/{1:032x}" in text
    assert "secret" not in text


def test_that_another_version_answers_than_the_champion_is_told(client: TestClient, rounds: Workspace) -> None:
    """The audit log names version 2, which no registry has."""
    log_in(client, name="ana")
    assert "No version answers: " in client.get("/dashboard").text


def test_the_state_is_the_part_that_changes(client: TestClient, rounds: Workspace) -> None:
    log_in(client, name="ana")
    part = client.get("/dashboard/state").text
    assert 'id="now"' in part
    assert '/dashboard/round"' not in part
    page = client.get("/dashboard").text
    assert without_keys(part).strip() in without_keys(page)


def without_keys(text: str) -> str:
    """A page without the keys that each of its forms is sent with."""
    return re.sub(r'(name="key" value=")[^"]+', r"\1", text)


def test_a_round_is_asked_for_once_however_often_the_form_is_sent(client: TestClient, runs: Runs) -> None:
    log_in(client, name="ana")
    page = client.get("/dashboard")
    answers = [submit(client, page, "/dashboard/round") for _ in range(2)]
    assert [(answer.status_code, "The round was asked for." in answer.text) for answer in answers] == [(200, True)] * 2
    (deployment, parameters, key), (_, _, again) = runs.asked
    assert (deployment, parameters, key) == ("round-on-feedback", {"when_pending": False}, again)


def test_a_rollback_needs_a_reason_and_a_confirmation(client: TestClient, runs: Runs, rounds: Workspace) -> None:
    log_in(client, name="ana")
    page = client.get("/dashboard")
    for fields in ({}, {"reason": "it is rude"}, {"confirmed": "yes", "reason": " "}, {**SURE, "to": "two"}):
        assert submit(client, page, "/dashboard/rollback", **fields).status_code == 400
    assert runs.asked == []
    assert submit(client, page, "/dashboard/rollback", **SURE, to="1").status_code == 200
    assert runs.asked[0][:2] == ("rollback", {"reason": "it is rude", "to": "1", "who": "ana"})
    submit(client, page, "/dashboard/rollback", **SURE)
    assert runs.asked[1][1]["to"] is None


def test_a_version_that_was_never_champion_is_refused_before_a_run_is_asked_for(
    client: TestClient, runs: Runs, rounds: Workspace
) -> None:
    log_in(client, name="ana")
    answer = submit(client, client.get("/dashboard"), "/dashboard/rollback", **SURE, to="999")
    assert (answer.status_code, runs.asked) == (400, [])
    assert "version 999 was not champion before version 2; go back, and type one of these: 1" in answer.text


def test_the_first_version_is_not_rolled_back(client: TestClient, workspace: Workspace) -> None:
    workspace.audit.unlink(missing_ok=True)
    audit.append(workspace.audit, "bootstrap", "rounds", model="policy", left="", now="1", reason="the first")
    log_in(client, name="ana")
    text = client.get("/dashboard").text
    assert ("Version 1" in text, "/dashboard/rollback" in text) == (True, False)


def test_runs_that_failed_are_listed_with_their_reason(client: TestClient, runs: Runs, rounds: Workspace) -> None:
    log_in(client, name="ana")
    page = "http://127.0.0.1:4200/runs/id"
    runs.failed = (
        DeploymentRun("b", "rollback to 999", "rollback", "Failed", AT, page, "NotFound: there is no <b>version</b>"),
        DeploymentRun("c", "calm-cat", "round-on-feedback", "Crashed", AT, page, "BadFeedback: no pair is left"),
    )
    text = client.get("/dashboard").text
    assert "rollback to 999" in text
    assert "NotFound: there is no &lt;b&gt;version&lt;/b&gt;" in text
    assert "The last run of a round failed" not in text, "no round stands still"


def test_a_round_that_stands_still_says_why_and_is_opened_again(
    client: TestClient, runs: Runs, rounds: Workspace
) -> None:
    log_in(client, name="ana")
    page = "http://127.0.0.1:4200/runs/id"
    runs.failed = (DeploymentRun("c", "calm-cat", "round-nightly", "Failed", AT, page, "BadFeedback: no pair is left"),)
    opened(rounds, 2)
    reader_of(rounds).forget()
    shown = client.get("/dashboard")
    assert "The last run of a round failed: BadFeedback: no pair is left" in shown.text
    form = shown.text.split('id="reopen"')[1].split("</section>")[0]
    fields = dict(re.findall(r'name="(token|key|reopen|round)" value="([^"]*)"', form))
    assert client.post("/dashboard/round", data=fields).status_code == 400
    assert client.post("/dashboard/round", data=fields | {"confirmed": "yes", "round": "1"}).status_code == 409
    assert runs.asked == []
    answer = client.post("/dashboard/round", data=fields | {"confirmed": "yes"})
    assert "opens again" in answer.text
    assert runs.asked[0][:2] == ("round-on-feedback", {"when_pending": False, "reopen": True})


@pytest.mark.parametrize(("decision", "refuse"), [("approve", False), ("refuse", True)])
def test_a_candidate_is_approved_or_refused(
    client: TestClient, runs: Runs, rounds: Workspace, decision: str, refuse: bool
) -> None:
    log_in(client, name="ana")
    assert "/dashboard/approve" not in client.get("/dashboard").text
    opened(rounds, 2)
    waiting.begin(rounds, "approval", 3600, Candidate(key="ab", candidate="c" * 64))
    reader_of(rounds).forget()
    page = client.get("/dashboard")
    assert "Round 2 waits for approval" in page.text
    submit(client, page, "/dashboard/approve", **SURE, decision=decision)
    values = {"round": 2, "by": "ana", "why": "it is rude", "refuse": refuse}
    assert runs.asked[0][:2] == ("approve", values)
    assert submit(client, page, "/dashboard/approve", **SURE, decision="later").status_code == 400


def test_the_candidate_that_waits_for_approval_has_a_page(client: TestClient, rounds: Workspace) -> None:
    log_in(client, name="ana")
    opened(rounds, 2)
    assert client.get("/dashboard/rounds/2").status_code == 404
    evaluated(rounds)
    waiting.begin(rounds, "approval", 3600, Candidate(key="ab", candidate="c" * 64))
    reader_of(rounds).forget()
    assert client.get("/dashboard").text.count('href="/dashboard/rounds/2"') == 2
    text = client.get("/dashboard/rounds/2").text
    for part in ("waits for approval", "60 % of 9", "evaluate/win_rate", "Maybe.", "Yes, until six.", "#approve"):
        assert part in text


def test_enter_in_the_form_to_approve_presses_no_button(client: TestClient, rounds: Workspace) -> None:
    """A browser presses the first button of the form, and `dialog` does nothing outside of one."""
    log_in(client, name="ana")
    opened(rounds, 2)
    waiting.begin(rounds, "approval", 3600, Candidate(key="ab", candidate="c" * 64))
    reader_of(rounds).forget()
    form = client.get("/dashboard").text.split('action="/dashboard/approve"')[1].split("</form>")[0]
    buttons = re.findall(r"<button[^>]*>", form)
    assert len(buttons) == 3
    assert "dialog" in buttons[0]
    assert not any("dialog" in button for button in buttons[1:])


def test_a_round_that_waits_for_votes_leads_to_the_label_page(client: TestClient, rounds: Workspace) -> None:
    log_in(client, name="ana")
    opened(rounds, 2)
    pairs.write(rounds.pairs, [pair(0, "Yes.", "No.")])
    waiting.begin(rounds, "votes", 3600, VotesNeeded(votes=4))
    reader_of(rounds).forget()
    now = client.get("/dashboard").text.split('id="now"')[1].split("</section>")[0]
    assert '<a href="/label">' in now


@pytest.mark.parametrize("path", ["/dashboard/round", "/dashboard/approve", "/dashboard/rollback"])
def test_a_form_of_another_site_starts_nothing(client: TestClient, runs: Runs, path: str) -> None:
    log_in(client, name="ana")
    assert client.post(path, data={**SURE, "round": "2", "decision": "approve"}).status_code == 403
    assert runs.asked == []


def test_an_annotator_starts_nothing(client: TestClient, runs: Runs, workspace: Workspace) -> None:
    ana = keys.make(workspace, "ana", "annotator")
    log_in(client, key=ana)
    page = client.get("/label")
    answer = client.post("/dashboard/round", data={"token": page.text.split('name="token" value="')[1].split('"')[0]})
    assert (answer.status_code, runs.asked) == (403, [])


def test_without_a_prefect_server_the_page_says_what_starts_it(client: TestClient, runs: Runs) -> None:
    runs.problem = "no Prefect server is configured; start it with the worker: `rounds up`"
    log_in(client, name="ana")
    page = client.get("/dashboard")
    assert (page.status_code, "rounds up" in page.text) == (200, True)
    answer = submit(client, page, "/dashboard/round")
    assert (answer.status_code, 'role="alert"' in answer.text) == (503, True)


def test_a_prefect_server_that_hangs_takes_one_thread_and_the_rest_is_shown(
    client: TestClient, runs: Runs, rounds: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(client, name="ana")
    monkeypatch.setattr(dashboard, "PREFECT", 0.05)
    hanging = Hanging()
    monkeypatch.setattr(runs, "listed", hanging)
    try:
        for path in ("/dashboard", *["/dashboard/state"] * 5):
            text = client.get(path).text
            assert "the Prefect server has not answered within" in text
            assert "Version 2" in text
        assert hanging.asked == 1
        assert client.get("/health/ready").json()["database"] == "ok"
    finally:
        hanging.end()


def test_a_database_that_hangs_takes_one_thread_and_is_named(
    client: TestClient, rounds: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(client, name="ana")
    monkeypatch.setattr(dashboard, "GATHERED", 0.05)
    hanging = Hanging()
    monkeypatch.setattr(reader_of(rounds), "read", hanging)
    try:
        for _ in range(5):
            page = client.get("/dashboard")
            assert (page.status_code, "could not be read within" in page.text) == (503, True)
            reader_of(rounds).forget()
        assert hanging.asked == 1
    finally:
        hanging.end()
        gathered_of.cache_clear()
