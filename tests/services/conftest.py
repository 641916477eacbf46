"""One server, one worker and one workspace for all tests of this folder: each of them takes many seconds to make."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from core.files import read_json
from tests.services.programs import eventually
from tests.services.site import Run, Site, feedback, serving

expect.set_options(timeout=20_000)  # milliseconds; the default of 5 s is short for a busy machine


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A worker that waits for work, in a workspace where no round has run."""
    with serving(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture(scope="session")
def first(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run that a sufficient amount of feedback started."""
    file = feedback(tmp_path_factory.mktemp("feedback") / "given.jsonl", "How do I return item")
    result = site.flows("feedback", "import", str(file), "-w", str(site.workspace.root))
    assert "Notified the Prefect server" in result.stdout, result
    [run] = eventually(lambda: site.triggered() or None, "a run that the event started", site.logs)
    return site.ended(run["id"])


@pytest.fixture
def settled(site: Site, first: Run) -> Site:
    """The site when rounds 0 and 1 are through and nothing waits."""
    assert read_json(site.workspace.rounds / "00001.json")["verdict"]["result"] == "promote"
    return site
