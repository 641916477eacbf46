"""Past rounds in MLflow, readable from any machine: tags, metrics, hashes of data, and saved files."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from core.errors import NotFound
from core.files import read_json
from evaluation.verdict import Verdict
from tasks.registry.line_store import LineStore
from tasks.state.inputs import Inputs
from tasks.state.reports import metrics_in
from tasks.state.steps import MEASURING
from tasks.tools import tracking
from tasks.tools.tracking import NoFiles
from tasks.tools.versioning import Stages, stages

if TYPE_CHECKING:
    from tasks.tools.tracking import Run

SAVED = "round"
"""Artifact folder with the files saved when a round closes: round.yaml, opened.json, dvc.lock and the reports."""

FEEDBACK_PURGED, VOTES_PURGED = "feedback_purged", "votes_purged"
"""Tags of the run of a round that lost feedback or votes to `rounds feedback forget --purge`: when, and by whom."""

REWARD_SERVER = "reward_server"
"""Tag of the run of a round whose policy was trained on the scores of a server: which, with what it stated."""

SAMPLER_TAG = "sampler"
"""Tag of the run of a round whose answers a server sampled: which, with its version."""

_NUMBER = re.compile("[0-9]{1,9}")
"""The tag `round`; a run on which somebody edited it is no round."""

PAGE = 1000
"""Runs per request to MLflow, its maximum."""


class StepOutput(NamedTuple):
    """An output of a step, by hash."""

    step: str
    path: str
    md5: str
    """MD5 as in dvc.lock; a folder's ends in `.dir`."""


class PastRound(NamedTuple):
    """A round, read from its MLflow run."""

    number: int
    key: str
    run_id: str
    started: datetime
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    """With three significant digits; `SavedFiles.metrics` has the others."""
    outputs: tuple[StepOutput, ...]

    @property
    def verdict(self) -> str | None:
        """promote, hold or reject; None for an unfinished round."""
        return self.tags.get("verdict")

    @property
    def name(self) -> str:
        """The round's name in messages."""
        return f"round {self.number} (run {self.run_id})"


class SavedFiles(NamedTuple):
    """A folder of the files that were saved to a run when its round closed."""

    folder: Path

    @property
    def inputs(self) -> Inputs:
        """round.yaml: the frozen inputs.

        Raises:
            Damaged: it is incomplete or invalid.
        """
        return Inputs.from_yaml(
            (self.folder / "round.yaml").read_text(encoding="utf-8"), "round.yaml in the round's run"
        )

    @property
    def verdict(self) -> Verdict | None:
        """verdict.json; None for round 0, which has no gates."""
        path = self.folder / "verdict.json"
        return Verdict.from_json(read_json(path)) if path.exists() else None

    @property
    def metrics(self) -> dict[str, float]:
        """The final metrics of the steps by full name, with all of their digits; without the cost."""
        return {name: float(value) for name, value in metrics_in(self.folder, MEASURING).items()}

    @property
    def stages(self) -> Stages:
        """dvc.lock: inputs and outputs of each step."""
        return stages(self.folder / "dvc.lock")


class Archive(LineStore):
    """The rounds of a line that MLflow has. Reading them creates nothing there."""

    def rounds(self) -> list[PastRound]:
        """All rounds, including unfinished ones, oldest first."""
        rounds, token, experiments = [], None, self._experiments(self.line.rounds)
        while experiments:
            # runs of steps have no tag `round_key`
            page = self.store.search_runs(experiments, "tags.round_key LIKE '%'", max_results=PAGE, page_token=token)
            rounds += [_past(run) for run in page if _NUMBER.fullmatch(run.data.tags.get("round", ""))]
            token = page.token
            if not token:
                break
        return sorted(rounds, key=lambda past: (past.number, past.started))

    def finished(self, text: str) -> PastRound:
        """The finished round with this number, key or run id. The first six digits of a key or id are enough.

        Raises:
            NotFound: there is no such round, or more than one.
        """
        finished = [past for past in self.rounds() if past.verdict]
        matches = [past for past in finished if text == str(past.number)]
        matches = matches or [
            past for past in finished if matches_prefix(past.key, text) or matches_prefix(past.run_id, text)
        ]
        if len(matches) == 1:
            return matches[0]
        if matches:
            names = ", ".join(past.name for past in matches)
            raise NotFound(f"{text!r} matches {len(matches)} rounds: {names}; give a run id instead")
        known = ", ".join(str(past.number) for past in finished) or "none"
        raise NotFound(f"there is no finished round {text!r} at {tracking.uri(self.root)}; finished rounds: {known}")

    def mark(self, past: PastRound, tags: Mapping[str, str]) -> None:
        """Set tags on the run of a round."""
        tracking.set_tags(self.store, past.run_id, tags)

    def parents_of(self, text: str) -> set[str]:
        """Run ids of the rounds that have a step whose own run id begins with `text`."""
        experiments = self._experiments(self.line.rounds)
        condition = f"attributes.run_id LIKE '{text}%'"
        searched = bool(experiments) and matches_prefix(text, text)
        steps = self.store.search_runs(experiments, condition) if searched else []
        return {run.data.tags["mlflow.parentRunId"] for run in steps if "mlflow.parentRunId" in run.data.tags}

    def files(self, run_id: str, folder: str) -> dict[str, bytes]:
        """File name → content of one artifact folder of a run; empty if the folder does not exist."""
        with TemporaryDirectory(prefix="rounds-") as temporary:
            try:
                copy = tracking.download(self.store, run_id, folder, temporary)
            except NoFiles:
                return {}
            return {file.name: file.read_bytes() for file in sorted(copy.iterdir()) if file.is_file()}

    def moves(self, version: str) -> list[dict[str, str]]:
        """Moves of the alias `champion` to or from a version of the policy, oldest first."""
        experiments, order = self._experiments(self.line.promotions), ["attributes.start_time"]
        if not experiments:
            return []
        pages = [self.store.search_runs(experiments, f"tags.{tag} = '{version}'", order_by=order) for tag in _SIDES]
        runs = {run.info.run_id: run for page in pages for run in page}
        ordered = sorted(runs.values(), key=lambda run: (run.info.start_time, run.info.run_id))
        return [{"intent": run.info.run_id, "at": _started(run), **_own_tags(run.data.tags)} for run in ordered]

    def _experiments(self, name: str) -> list[str]:
        """The experiment of this name; none if there is none yet."""
        experiment = None if self.unused else tracking.find_experiment(self.store, name)
        return [experiment] if experiment else []

    @contextmanager
    def saved(self, past: PastRound) -> Iterator[SavedFiles]:
        """Download the files that were saved when the round closed; they exist while the block runs.

        Raises:
            NotFound: files are missing.
        """
        with TemporaryDirectory(prefix="rounds-") as folder:
            try:
                files = tracking.download(self.store, past.run_id, SAVED, folder)
            except NoFiles as error:
                raise NotFound(
                    f"{past.name}: its saved files ({SAVED}/) are missing from MLflow; restore the "
                    f"artifact store from a backup\n{error}"
                ) from error
            missing = [name for name in ("round.yaml", "dvc.lock") if not (files / name).exists()]
            if missing:
                raise _lost(past, missing)
            yield SavedFiles(files)

    def recorded(self, past: PastRound) -> Stages:
        """The stages of the dvc.lock that was saved when the round closed; no other file is downloaded.

        Raises:
            NotFound: it is missing.
        """
        with TemporaryDirectory(prefix="rounds-") as folder:
            try:
                return stages(tracking.download(self.store, past.run_id, f"{SAVED}/dvc.lock", folder))
            except NoFiles as error:
                raise _lost(past, ["dvc.lock"]) from error


def matches_prefix(name: str, text: str) -> bool:
    """True if the hexadecimal `name` begins with `text`, which must have at least six digits."""
    return re.fullmatch(r"[0-9a-f]{6,}(\.dir)?", text) is not None and name.startswith(text)


def _lost(past: PastRound, names: Sequence[str]) -> NotFound:
    return NotFound(
        f"{past.name}: missing from its saved files in MLflow ({SAVED}/): {', '.join(names)}; restore them from a "
        "backup of the artifact store"
    )


_SIDES = ("target", "left")


def _own_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags that were not set by MLflow itself."""
    return {name: value for name, value in sorted(tags.items()) if not name.startswith("mlflow.")}


def _started(run: "Run") -> str:
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
