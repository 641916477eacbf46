"""MLflow goes away in the middle of a registration or a promotion; whoever repeats it finds nothing twice."""

from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException

from tasks.registry import audit
from tasks.registry.alias import Registry
from tasks.tools.tracking import NoTracking
from tests.tasks.registry.test_registry import registered


class Outage:
    """A store that answers `calls` calls and no more; with `late`, the last one is carried out, but its answer lost."""

    def __init__(self, store: Any, calls: int, late: bool) -> None:
        self._store, self._left, self._late = store, calls, late

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._store, name)
        return self._counted(call) if callable(call) else call

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            self._left -= 1
            if self._left >= 0:
                return call(*args, **kwargs)
            if self._left == -1 and self._late:
                call(*args, **kwargs)
            raise MlflowException("connection refused")

        return counted


def interrupted(home: Path, calls: int, late: bool, work: Callable[[Registry], object]) -> bool:
    """Whether the work needs more calls than MLflow answered."""
    registry = Registry(home)
    store: Any = Outage(registry.store, calls, late)
    registry.store = store
    try:
        work(registry)
    except (MlflowException, NoTracking):
        return True
    return False


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
def test_a_registration_is_repeated_after_every_call(home: Path, late: bool) -> None:
    for number in count():
        again = interrupted(home, number, late, partial(registered, number=number))
        registry = Registry(home)
        version = registered(registry, number)
        mine = [each for each in registry.versions("policy") if each.round == number]
        assert [each.version for each in mine] == [version.version]
        models = registry.store.search_logged_models(
            [registry.store.get_run(version.run_id).info.experiment_id], f"tags.round_key = 'key{number}'"
        )
        assert "READY" in {str(model.status) for model in models}
        if not again:
            break
    assert number > 5


def promoted(registry: Registry, target: str) -> None:
    registry.promote(target, registry.alias(), "better", "ana")


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
def test_a_promotion_is_repeated_after_every_call(home: Path, late: bool) -> None:
    registry = Registry(home)
    registered(registry, 0)
    registered(registry, 1)
    registry.promote("1", None, "first", "rounds", kind="bootstrap")
    now = "1"
    for calls in count():
        target = "2" if now == "1" else "1"
        again = interrupted(home, calls, late, partial(promoted, target=target))
        settled = Registry(home)
        settled.reconcile()
        settled.promote(target, settled.alias(), "again", "ana")
        now = target
        assert Registry(home).alias() == target
        assert audit.verify(home / "data/audit.jsonl") == []
        assert settled._journal.open() == []
        if not again:
            break
    assert calls > 5
