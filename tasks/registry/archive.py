"""What past rounds left in MLflow, readable from any machine: tags, numbers, hashes of data, and saved files."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from core.errors import RoundsError
from core.files import read_json
from evaluation.verdict import Verdict
from tasks.registry import journal
from tasks.state.inputs import Inputs
from tasks.tools import tracking
from tasks.tools.tracking import NoFiles
from tasks.tools.versioning import Stages, stages

if TYPE_CHECKING:
    from tasks.tools.tracking import Run

SAVED = "round"
"""The folder of a run that holds what closing saved: round.yaml, opened.json, dvc.lock and the reports."""

PAGE = 1000
"""MLflow gives no more runs at once."""


class NotFound(RoundsError):
    """Nothing here goes by that name, or what was saved with it is gone."""


class StepOutput(NamedTuple):
    """What a step wrote, by hash."""

    step: str
    path: str
    md5: str
    """As DVC knows it; a folder's ends in `.dir`."""


class PastRound(NamedTuple):
    """A round as its run tells of it."""

    number: int
    key: str
    run_id: str
    started: datetime
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    outputs: tuple[StepOutput, ...]

    @property
    def verdict(self) -> str | None:
        """promote, hold or reject; None of a round that was not finished."""
        return self.tags.get("verdict")

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"round {self.number} (run {self.run_id})"


class SavedFiles(NamedTuple):
    """The folder of files that closing saved to a run."""

    folder: Path

    @property
    def inputs(self) -> Inputs:
        """round.yaml: what opening froze.

        Raises:
            Damaged: it is not whole.
        """
        return Inputs.from_yaml((self.folder / "round.yaml").read_text(encoding="utf-8"), "round.yaml in its run")

    @property
    def verdict(self) -> Verdict | None:
        """verdict.json; None of round 0, which has no gates."""
        path = self.folder / "verdict.json"
        return Verdict.from_json(read_json(path)) if path.exists() else None

    @property
    def stages(self) -> Stages:
        """dvc.lock: what each step read and wrote."""
        return stages(self.folder / "dvc.lock")


class Archive:
    """The rounds that MLflow knows of."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._store = tracking.client(root)

    def rounds(self) -> list[PastRound]:
        """All rounds, unfinished ones included, oldest first."""
        home = tracking.experiment(self._store, tracking.EXPERIMENT, self._root)
        found, token = [], None
        while True:
            # a step's run names its round, but has no key
            page = self._store.search_runs([home], "tags.round_key LIKE '%'", max_results=PAGE, page_token=token)
            found += [_past(run) for run in page]
            token = page.token
            if not token:
                return sorted(found, key=lambda past: (past.number, past.started))

    def finished(self, text: str) -> PastRound:
        """The one finished round of that number, key or run id (the first six digits are enough).

        Raises:
            NotFound: there is none, or more than one.
        """
        ended = [past for past in self.rounds() if past.verdict]
        found = [past for past in ended if text == str(past.number)]
        found = found or [past for past in ended if begins(past.key, text) or begins(past.run_id, text)]
        if len(found) == 1:
            return found[0]
        if found:
            raise NotFound(f"{text} names {len(found)} rounds: {', '.join(p.name for p in found)}; name a run instead")
        known = ", ".join(str(past.number) for past in ended) or "none"
        raise NotFound(f"no finished round {text!r} at {tracking.uri(self._root)}; finished rounds: {known}")

    def parents_of(self, text: str) -> set[str]:
        """The runs of the rounds that steps belong to whose run ids begin with `text`."""
        home = tracking.experiment(self._store, tracking.EXPERIMENT, self._root)
        steps = self._store.search_runs([home], f"attributes.run_id LIKE '{text}%'") if begins(text, text) else []
        return {run.data.tags["mlflow.parentRunId"] for run in steps if "mlflow.parentRunId" in run.data.tags}

    def files(self, run_id: str, folder: str) -> dict[str, bytes]:
        """The files of one folder of a run, by their names; none where the folder is not there."""
        with TemporaryDirectory(prefix="rounds-") as place:
            try:
                found = tracking.download(self._store, run_id, folder, place)
            except NoFiles:
                return {}
            return {file.name: file.read_bytes() for file in sorted(found.iterdir()) if file.is_file()}

    def moves(self, version: str) -> list[dict[str, str]]:
        """The moves of the champion's alias to a version of the policy, or away from it, oldest first."""
        home = tracking.experiment(self._store, journal.EXPERIMENT, self._root)
        order = ["attributes.start_time"]
        sides = [self._store.search_runs([home], f"tags.{side} = '{version}'", order_by=order) for side in _SIDES]
        runs = {run.info.run_id: run for side in sides for run in side}
        ordered = sorted(runs.values(), key=lambda run: (run.info.start_time, run.info.run_id))
        return [{"intent": run.info.run_id, "at": _moment(run), **_ours(run.data.tags)} for run in ordered]

    @contextmanager
    def saved(self, past: PastRound) -> Iterator[SavedFiles]:
        """The files that closing saved to the round's run, for as long as the block runs.

        Raises:
            NotFound: they are gone.
        """
        with TemporaryDirectory(prefix="rounds-") as folder:
            try:
                files = tracking.download(self._store, past.run_id, SAVED, folder)
            except NoFiles as error:
                raise NotFound(f"{past.name}: its saved files ({SAVED}/) are not in MLflow\n{error}") from error
            missing = [name for name in ("round.yaml", "dvc.lock") if not (files / name).exists()]
            if missing:
                raise NotFound(
                    f"{past.name}: {' and '.join(missing)} is not among its files in MLflow ({SAVED}/); restore "
                    "them from a backup of the artifact store"
                )
            yield SavedFiles(files)


def begins(name: str, text: str) -> bool:
    """Whether a hexadecimal name begins with `text`; fewer than six digits name nothing."""
    return re.fullmatch(r"[0-9a-f]{6,}(\.dir)?", text) is not None and name.startswith(text)


_SIDES = ("target", "left")


def _ours(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags that are not MLflow's own."""
    return {name: value for name, value in sorted(tags.items()) if not name.startswith("mlflow.")}


def _moment(run: "Run") -> str:
    return datetime.fromtimestamp(run.info.start_time / 1000, UTC).isoformat(timespec="seconds")


def _past(run: "Run") -> PastRound:
    tags = run.data.tags
    started = datetime.fromtimestamp(run.info.start_time / 1000, UTC)
    outputs = tuple(_output(entry) for entry in (run.inputs.dataset_inputs if run.inputs else ()))
    return PastRound(
        int(tags["round"]), tags["round_key"], run.info.run_id, started, tags, dict(run.data.metrics), outputs
    )


def _output(entry: Any) -> StepOutput:
    step = next((tag.value for tag in entry.tags if tag.key == "mlflow.data.context"), "")
    return StepOutput(step, entry.dataset.name, entry.dataset.digest)
