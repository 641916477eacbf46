"""The journal of the alias: what somebody is about to do with it is written before it is done.

MLflow moves an alias in one call, and remembers nothing of it. So an *intent* goes first, as a run in the experiment
`promotions`; a kill leaves it open, and the next entry sees from the alias whether the move was made.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from tasks import tracking

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "promotions"
Kind = Literal["bootstrap", "promote", "rollback"]
State = Literal["committed", "aborted"]


class Intent(NamedTuple):
    """A move of the alias from version `left` (empty: from nowhere) to version `target`."""

    run_id: str
    kind: str
    left: str
    target: str
    reason: str
    who: str


class Journal:
    """The intents of one registry. Whoever uses it holds the registry's lock."""

    def __init__(self, store: "MlflowClient", root: Path) -> None:
        self._store = store
        self._experiment = tracking.experiment(store, EXPERIMENT, root)

    def intend(self, kind: Kind, left: str, target: str, reason: str, who: str) -> Intent:
        """Write down a move that is about to be made."""
        tags = {"kind": kind, "left": left, "target": target, "reason": reason, "who": who}
        run = self._store.create_run(
            self._experiment, run_name=f"{kind} {left}→{target}", tags={**tags, "state": "open"}
        )
        return Intent(str(run.info.run_id), **tags)

    def open(self) -> list[Intent]:
        """Moves that were intended and not settled, oldest first."""
        runs = self._store.search_runs([self._experiment], "tags.state = 'open'", order_by=["attributes.start_time"])
        facts = [field for field in Intent._fields if field != "run_id"]
        return [Intent(str(run.info.run_id), **{fact: run.data.tags.get(fact, "") for fact in facts}) for run in runs]

    def settle(self, intent: Intent, state: State) -> None:
        """Close an intent. The tag goes last: until it is set, the next entry settles again."""
        self._store.set_terminated(intent.run_id, "FINISHED" if state == "committed" else "KILLED")
        self._store.set_tag(intent.run_id, "state", state)
