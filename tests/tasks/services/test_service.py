"""How a service is asked whether it answers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, Popen

import pytest

from tasks.services.service import ReadinessProbe, Service, StateProbe
from tests.core.kept import until
from tests.tasks.services.small import free_port, service


@contextmanager
def serving(folder: Path, manner: str = "slow") -> Iterator[Service]:
    """A service that answers."""
    small = service(folder, "small", manner)
    with Popen(small.command, stdout=DEVNULL) as process:
        until(small.ready.answered, "the service answers")
        yield small
        process.kill()


def test_answers_that_count(tmp_path: Path) -> None:
    with serving(tmp_path) as small:
        url = small.link
        assert url == f"http://127.0.0.1:{small.port}"
        assert ReadinessProbe(f"{url}/health").answered()
        assert ReadinessProbe(f"{url}/health", contains="works").answered()
        assert not ReadinessProbe(f"{url}/health", contains="ONLINE").answered()
        assert not ReadinessProbe(f"{url}/state").answered(), "503"
        assert ReadinessProbe(f"{url}/filter", '{"after": 1}', contains='you said {"after": 1}').answered()


def test_nobody_answers() -> None:
    url = f"http://127.0.0.1:{free_port()}/health"
    assert not ReadinessProbe(url).answered()
    assert StateProbe(url, "database").problem() == f"{url} does not answer within 5 s; see its log"


@pytest.mark.parametrize(
    ("manner", "problem"),
    [("slow", None), ("poor", "it is full; free some space"), ("odd", "gives another answer than expected: '[]'")],
)
def test_a_service_says_what_is_wrong_with_it(tmp_path: Path, manner: str, problem: str | None) -> None:
    with serving(tmp_path, manner) as small:
        said = StateProbe(f"{small.link}/state", "database").problem()
        assert (said is None) if problem is None else problem in str(said)


def test_a_reason_that_the_service_does_not_tell_is_found_out(tmp_path: Path) -> None:
    with serving(tmp_path, "shut") as small:
        url = f"{small.link}/state"
        assert StateProbe(url, "database", lambda: "the disk is full").problem() == "the disk is full"
        assert StateProbe(url, "database").problem() == "its database is unavailable; see its log"


def test_no_proxy_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with serving(tmp_path) as small:
        assert small.ready.answered()
