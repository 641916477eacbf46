"""A workspace: a folder with dvc.yaml, params.yaml and data/. Every path of a round is named here, once."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from core.errors import BadWorkspace

PROJECT = Path(__file__).resolve().parents[2]
"""Where the code lives: the default workspace."""

SHIPPED = ("dvc.yaml", "params.yaml", ".dvcignore", ".dvc/config")
"""What makes a folder a workspace; a new one gets copies of the project's."""


@dataclass(frozen=True)
class Workspace:
    """The paths of one workspace."""

    root: Path

    @property
    def data(self) -> Path:
        """All bytes: DVC-tracked, git-ignored."""
        return self.root / "data"

    @property
    def recorded(self) -> Path:
        """What DVC recorded of each step: inputs and outputs by hash."""
        return self.root / "dvc.lock"

    @property
    def recorded_before(self) -> Path:
        """The same as it was before the record that DVC is writing."""
        return self.data / ".dvc.lock.before"

    @property
    def artifacts(self) -> Path:
        """Files of runs and versions, where MLflow has no server."""
        return self.root / "mlruns"

    @property
    def registry_lock(self) -> Path:
        """Held while the registry changes."""
        return self.data / ".registry.lock"

    @property
    def mlflow_lock(self) -> Path:
        """Held while MLflow makes its tables."""
        return self.data / ".mlflow.lock"

    @property
    def params(self) -> Path:
        """The knobs of the next round."""
        return self.root / "params.yaml"

    @property
    def graph(self) -> Path:
        """The data graph of a round, for DVC: a copy of the project's."""
        return self.root / "dvc.yaml"

    @property
    def round(self) -> Path:
        """The frozen inputs of the round that was opened last."""
        return self.data / "round.yaml"

    @property
    def opened(self) -> Path:
        """When, from which commit and by which code the round was opened."""
        return self.data / "opened.json"

    @property
    def lock(self) -> Path:
        """Held by the one round that runs."""
        return self.data / ".lock"

    @property
    def inbox(self) -> Path:
        """Feedback that was handed in and waits for the next round: JSON lines in the canonical form."""
        return self.data / "inbox"

    @property
    def taken(self) -> Path:
        """What rounds have taken in of the inbox."""
        return self.inbox / "taken"

    @property
    def champion(self) -> Path:
        """The champion's weights, fetched at opening; empty in round 0."""
        return self.data / "champion"

    @property
    def previous(self) -> Path:
        """What the round before left for comparison, copied at opening."""
        return self.data / "previous"

    @property
    def previous_reward(self) -> Path:
        """The champion's reward model; missing where it learned from none."""
        return reward(self.previous)

    @property
    def previous_samples(self) -> Path:
        """The samples of the round before."""
        return table(self.previous / self.samples.name, "samples")

    @property
    def answers(self) -> Path:
        """Pairs of answers that are to be labelled."""
        return self.data / "answers" / "pairs.jsonl"

    @property
    def feedback(self) -> Path:
        """The feedback store: append-only parts and quarantine."""
        return self.data / "feedback"

    @property
    def preferences(self) -> Path:
        """train, judge and holdout pairs, split by prompt group."""
        return self.data / "preferences"

    @property
    def prompts(self) -> Path:
        """Prompts to train on, and held-out ones to evaluate on."""
        return self.data / "prompts"

    @property
    def demonstrations(self) -> Path:
        """Answers to imitate."""
        return self.data / "demonstrations"

    @property
    def votes(self) -> Path:
        """Fresh votes on candidate against champion: append-only parts."""
        return self.data / "votes"

    @property
    def samples(self) -> Path:
        """Answers of candidate and champion to held-out prompts, with their scores."""
        return self.data / "samples"

    @property
    def sampled(self) -> Path:
        """The table of these answers."""
        return table(self.samples, "samples")

    @property
    def pairs(self) -> Path:
        """The same answers side by side and blinded, for fresh votes."""
        return self.samples / "pairs.jsonl"

    @property
    def ballots(self) -> Path:
        """Votes that people handed in, a folder for each set of pairs."""
        return self.data / "ballots"

    @property
    def waiting(self) -> Path:
        """What the open round waits for people to do, since when and until when."""
        return self.data / "waiting"

    @property
    def approvals(self) -> Path:
        """Who approved or refused a candidate, and why."""
        return self.data / "approvals"

    @property
    def metrics(self) -> Path:
        """Every metric of the running round as JSON lines, before any server hears of it."""
        return self.data / "metrics"

    @property
    def times(self) -> Path:
        """How long the steps of the running round took."""
        return self.metrics / "times.json"

    @property
    def training(self) -> Path:
        """State of an unfinished training, from which a killed step continues."""
        return self.data / "training"

    @property
    def rounds(self) -> Path:
        """The record of each finished round."""
        return self.data / "rounds"

    @property
    def watch(self) -> Path:
        """What the last look between rounds found, and the reward model it used."""
        return self.data / "watch"

    def watched(self, what: str) -> Path:
        """What a look keeps, as JSON: `watch`, `guards`, and what the server was `told` of alarms and `rollbacks`."""
        return self.watch / f"{what}.json"

    def watch_lock(self, what: str = "") -> Path:
        """Held during a look at what waits, or at live feedback (`guards`)."""
        return self.watch / f".{what}{'.' if what else ''}lock"

    @property
    def dashboards(self) -> Path:
        """Full reports on drift, a folder for each round that was asked about."""
        return self.data / "dashboards"

    @property
    def blame(self) -> Path:
        """What reward models said that were trained without some of the feedback."""
        return self.data / "blame"

    @property
    def explained(self) -> Path:
        """The last explanation of a score, and the reward model that was asked."""
        return self.data / "explain"

    @property
    def audit(self) -> Path:
        """Every change of the champion: append-only, hash-chained."""
        return self.data / "audit.jsonl"

    def record(self, number: int) -> Path:
        """The record of a finished round."""
        return self.rounds / f"{number:05d}.json"

    def approval(self, number: int) -> Path:
        """A person's word on the candidate of a round."""
        return self.approvals / f"{number:05d}.json"

    def wait(self, what: str) -> Path:
        """A wait of the open round, for votes or approval."""
        return self.waiting / f"{what}.json"

    @property
    def waiting_lock(self) -> Path:
        """Held while people vote or sign, and while a round goes on."""
        return self.waiting / ".lock"

    def ballot(self, batch: str, number: int) -> Path:
        """The votes on a set of pairs that were handed in together, counted from 1."""
        return self.ballots / batch / f"{number:05d}.jsonl"

    def blamed(self, number: int) -> Path:
        """What was found about a round by leaving out feedback."""
        return self.blame / f"round-{number:05d}"

    @property
    def blame_lock(self) -> Path:
        """Held while reward models are trained without some of the feedback."""
        return self.blame / ".lock"

    def dashboard(self, number: int) -> Path:
        """The full reports on a round."""
        return self.dashboards / f"round-{number:05d}"

    def checkpoint(self, name: str) -> Path:
        """Weights of this round: sft, reward, judge or policy."""
        return self.data / "checkpoints" / name

    def state(self, step: str) -> Path:
        """The state of a step's unfinished training."""
        return self.training / step

    @property
    def reports(self) -> Path:
        """The numbers of all steps."""
        return self.data / "reports"

    def report(self, step: str) -> Path:
        """The numbers of a step, as JSON."""
        return self.reports / f"{step}.json"

    def reported(self, step: str) -> Path:
        """What a step reported while it worked, as JSON lines."""
        return reported(self.metrics, step)


def table(folder: Path, name: str) -> Path:
    """A derived table in a folder of such."""
    return folder / f"{name}.arrow"


def reported(folder: Path, step: str) -> Path:
    """What a step reported while it worked, in a folder of metrics."""
    return folder / f"{step}.jsonl"


def reward(folder: Path) -> Path:
    """A reward model that is kept for comparison, in the folder of what it is kept with."""
    return folder / "reward"


def champions_numbers(folder: Path) -> Path:
    """The champion's numbers, in the folder of what the round before left."""
    return folder / "champion.json"


def reference(folder: Path) -> Path:
    """What drift is measured against, in the folder of what the round before left."""
    return folder / "reference.json"


def at(root: Path) -> Workspace:
    """The workspace at `root`; an empty or missing folder becomes one.

    Raises:
        BadWorkspace: the folder holds something else.
    """
    root = root.resolve()
    if root.exists() and any(root.iterdir()) and not (root / "dvc.yaml").exists():
        raise BadWorkspace(f"{root} is neither empty nor a workspace (no dvc.yaml); name another folder")
    if not (root / "dvc.yaml").exists():
        _furnish(root)
    workspace = Workspace(root)
    workspace.data.mkdir(exist_ok=True)
    return workspace


def _furnish(root: Path) -> None:
    for name in SHIPPED:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROJECT / name, root / name)


def current(folder: Path | None = None) -> Workspace:
    """The workspace that is named, else $ROUNDS_WORKSPACE, else the folder one stands in, else the project.

    Raises:
        BadWorkspace: there is none; a name mistyped in an emergency must not lead to an empty one.
    """
    root = _meant(folder)
    if not root.exists() or not any(root.iterdir()):
        raise BadWorkspace(f"there is no workspace at {root}; name another one, or make it: `rounds round`")
    return at(root)


def current_or_new(folder: Path | None = None) -> Workspace:
    """The same, made where it is missing: for a first round, and for what is read from servers, wherever one is.

    Raises:
        BadWorkspace: the folder holds something else.
    """
    return at(_meant(folder))


def _meant(folder: Path | None) -> Path:
    if folder is not None:
        return folder
    if "ROUNDS_WORKSPACE" in os.environ:
        return Path(os.environ["ROUNDS_WORKSPACE"])
    here = Path.cwd()
    return here if (here / "dvc.yaml").exists() else PROJECT
